// Notices files that the run itself keeps changing while its stages read them: each change would stop the stage, start it
// again and so change the file again. Nobody edits by hand that often that soon after a restart.

/** So soon after a restart a change may be the restarted job's own. */
const OWN_WITHIN_MS = 3000;
const MAX_RESTARTS = 5;

export interface Edits {
  /** Whether a source of the plan is among what changed. */
  readonly sources: boolean;
  readonly data: readonly string[];
}

export class SelfFeeding {
  private restartedAt = Number.NEGATIVE_INFINITY;
  private readonly streaks = new Map<string, number>();
  private readonly aside = new Set<string>();

  restarted(at: number): void {
    this.restartedAt = at;
  }

  /** Which files do not count, until a source is edited: that makes a new beginning. */
  judge(
    { sources, data }: Edits,
    at: number,
  ): { readonly aside: ReadonlySet<string>; readonly newly: readonly string[] } {
    if (sources) {
      this.streaks.clear();
      this.aside.clear();
      return { aside: this.aside, newly: [] };
    }
    const soon = at - this.restartedAt <= OWN_WITHIN_MS;
    for (const path of data) this.streaks.set(path, soon ? (this.streaks.get(path) ?? 0) + 1 : 0);
    const newly = data.filter((path) => !this.aside.has(path) && (this.streaks.get(path) ?? 0) >= MAX_RESTARTS);
    for (const path of newly) this.aside.add(path);
    return { aside: this.aside, newly };
  }
}
