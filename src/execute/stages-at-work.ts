// The stages that a run works on right now, each with the signals that ask it to write a resume state and end, or kill it.
// Which of them must stop is decided here by key; what stopping means is the job's business.
import type { StageId } from '../events/ids.ts';
import type { PlannedStage } from '../plan/plan.ts';
import type { Digest } from '../support/digest.ts';
import type { Stint } from './stray-writes.ts';

export interface StopSignals {
  readonly checkpoint: AbortSignal;
  readonly kill: AbortSignal;
}

export interface Superseded {
  readonly kept: readonly StageId[];
  readonly stopped: readonly StageId[];
}

interface AtWork {
  readonly stage: PlannedStage;
  readonly fromMs: number;
  readonly key: Digest;
  readonly checkpoint: AbortController;
  readonly kill: AbortController;
  grace?: NodeJS.Timeout;
}

export class StagesAtWork {
  /** The times of programs that are at work no more. */
  readonly programs: Stint[] = [];
  private readonly stages = new Map<StageId, AtWork>();

  begin(stage: PlannedStage, key: Digest): StopSignals {
    const [checkpoint, kill] = [new AbortController(), new AbortController()];
    this.stages.set(stage.id, { stage, fromMs: Date.now(), key, checkpoint, kill });
    return { checkpoint: checkpoint.signal, kill: kill.signal };
  }

  end(id: StageId): void {
    const work = this.stages.get(id);
    if (work === undefined) return;
    clearTimeout(work.grace);
    this.stages.delete(id);
    if (work.stage.runsOn === 'command' || work.stage.runsOn === 'program')
      this.programs.push({ stage: id, fromMs: work.fromMs, toMs: Date.now() });
  }

  checkpointAll(): void {
    for (const { checkpoint } of this.stages.values()) checkpoint.abort();
  }

  killAll(): void {
    for (const { kill } of this.stages.values()) kill.abort();
  }

  /** Asks every stage whose key is not kept for a resume state, and kills those that have not ended after the grace. */
  stopAllBut(keep: ReadonlySet<Digest>, graceMs: number): Superseded {
    const [kept, stopped]: [StageId[], StageId[]] = [[], []];
    for (const [stage, work] of this.stages) {
      // One that is already ending does not come back because its key is wanted again.
      if (work.checkpoint.signal.aborted) continue;
      if (keep.has(work.key)) {
        kept.push(stage);
        continue;
      }
      stopped.push(stage);
      work.checkpoint.abort();
      work.grace = setTimeout(() => work.kill.abort(), graceMs);
    }
    return { kept, stopped };
  }
}
