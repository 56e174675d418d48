// Notices files that the run itself keeps changing while its stages read them: each change would stop the stage, start it
// again and so change the file again. Nobody edits by hand that often that soon after a restart; an editor that saves while
// one types may, and is told apart by going on when no job is at work.

/** So soon after a restart a change may be the restarted job's own. */
const OWN_WITHIN_MS = 3000;
const MAX_RESTARTS = 5;
/** So long after the last job has ended a change is nobody's but the user's. */
const RESTED_AFTER_MS = 2000;

export interface Edits {
  /** Whether a source of the plan is among what changed. */
  readonly sources: boolean;
  readonly data: readonly string[];
}

export class SelfFeeding {
  private restartedAt = Number.NEGATIVE_INFINITY;
  private restedAt = Number.POSITIVE_INFINITY;
  private readonly streaks = new Map<string, number>();
  private readonly aside = new Set<string>();

  restarted(at: number): void {
    this.restartedAt = at;
    this.restedAt = Number.POSITIVE_INFINITY;
  }

  /** The last job has ended. */
  rested(at: number): void {
    this.restedAt = at;
  }

  /** Which files do not count, until a source is edited, or they themselves while no job is at work: that is a new beginning. */
  judge(
    { sources, data }: Edits,
    at: number,
  ): { readonly aside: ReadonlySet<string>; readonly newly: readonly string[] } {
    if (sources) {
      this.streaks.clear();
      this.aside.clear();
      return { aside: this.aside, newly: [] };
    }
    const byHand = at - this.restedAt > RESTED_AFTER_MS;
    if (byHand) for (const path of data) this.aside.delete(path);
    const soon = !byHand && at - this.restartedAt <= OWN_WITHIN_MS;
    for (const path of data) this.streaks.set(path, soon ? (this.streaks.get(path) ?? 0) + 1 : 0);
    const newly = data.filter((path) => !this.aside.has(path) && (this.streaks.get(path) ?? 0) >= MAX_RESTARTS);
    for (const path of newly) this.aside.add(path);
    return { aside: this.aside, newly };
  }
}
