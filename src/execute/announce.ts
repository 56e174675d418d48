// What the run's loop tells of a stage that it restores, or starts with less than it asks for. Words of the journal only; the
// moves that go with them are the loop's.
import type { StageId } from '../events/ids.ts';
import type { PlannedStage } from '../plan/plan.ts';
import type { RestorableRecord } from '../store/actions.ts';
import { chosenCase } from './gate.ts';
import type { Recorder } from './recorder.ts';
import type { ResourcePool, Tokens } from './resources.ts';
import { shortField } from './short.ts';

export function announceRestored(recorder: Recorder, planned: PlannedStage, record: RestorableRecord): void {
  const { id: stage } = planned;
  const { key, outputs, summary, facts, verdict, madeBy } = record;
  recorder.emit({ type: 'stage-restored', stage, key, outputs, summary, madeBy: madeBy.run, facts });
  if (verdict === undefined) return;
  const chosen = chosenCase(verdict);
  recorder.emit({ type: 'gate-decided', stage, chosen, verdict, cached: true, ...shortField(planned, chosen) });
}

/** A stage that asks for more than there is gets all there is, and people are told. */
export function announceShortage(recorder: Recorder, stage: StageId, pool: ResourcePool, needs: Tokens): void {
  for (const [token, total] of Object.entries(pool.beyond(needs))) {
    const text = `asks for ${token}=${needs[token] ?? 0} and there is ${token}=${total}: it runs with that`;
    const level = token === 'cpu' ? 'info' : 'warning';
    recorder.emit({ type: 'job-reported', stage, event: { type: 'note', level, text } });
  }
}
