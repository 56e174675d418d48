// Whether an edit changes anything: one digest over all of a plan that a run could tell apart. Not over lines and columns,
// nor over the order in which stages are written.
import type { Plan } from '../plan/plan.ts';
import { byCodeUnit } from '../support/canonical-json.ts';
import { digestJson, type Digest } from '../support/digest.ts';
import type { JsonObject } from '../support/json.ts';

/** @param data digests of the files and folders that stages read, by path; null where there is none. */
export function planIdentity(
  { stages, warnings: _warnings, ...plan }: Plan,
  data: ReadonlyMap<string, Digest | null>,
): Digest {
  const placeless = stages.map(({ at: _, ...stage }) => stage).sort((left, right) => byCodeUnit(left.id, right.id));
  // Plans are plain data; JSON drops the members that are undefined.
  const plain = JSON.parse(JSON.stringify({ ...plan, stages: placeless })) as JsonObject;
  return digestJson('headgate-watched-plan', 1, { plan: plain, data: Object.fromEntries(data) });
}
