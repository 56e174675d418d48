// A part of a plan: the named stages with everything they need (`until`), or only them, on what is cached (`only`).
import type { StageId } from '../events/ids.ts';
import type { Plan, PlannedStage } from '../plan/plan.ts';
import { dependenciesOf } from './edges.ts';

/**
 * Stages by id (`head[detection]/qat`) or by name (`head/qat`: every instance), for a template or a loop (`head`,
 * `head[detection]`) all that is inside it, and by a pattern of ids with `*` (`head[*]/qat`); undefined when there is none.
 */
export function stagesNamed(plan: Plan, name: string): readonly PlannedStage[] | undefined {
  const pattern = name.includes('*') ? patternOf(name) : undefined;
  const found = plan.stages.filter(
    (stage) =>
      pattern?.(stage.id) === true ||
      [stage.id, stage.name].some((path) => path === name || path.startsWith(`${name}/`)),
  );
  return found.length === 0 ? undefined : found;
}

/** Each piece between two `*` is looked for once, leftmost first: a pattern of many never takes long. */
function patternOf(name: string): (id: string) => boolean {
  const [first = '', ...rest] = name.split('*');
  const last = rest.pop() ?? '';
  return (id) => {
    let from = id.startsWith(first) ? first.length : -1;
    for (const piece of rest) {
      const found = from < 0 ? -1 : id.indexOf(piece, from);
      from = found < 0 ? -1 : found + piece.length;
    }
    return from >= 0 && id.length - last.length >= from && id.endsWith(last);
  };
}

/** The plan of these stages and all that comes before them. Stops come along whose gates are all among them. */
export function planUntil(plan: Plan, targets: readonly PlannedStage[]): Plan {
  const byId = new Map(plan.stages.map((stage) => [stage.id, stage]));
  const kept = new Set<StageId>();
  const keep = (roots: readonly PlannedStage[]): void => {
    const queue = [...roots];
    for (let stage = queue.pop(); stage !== undefined; stage = queue.pop()) {
      if (kept.has(stage.id)) continue;
      kept.add(stage.id);
      for (const id of dependenciesOf(stage)) {
        const before = byId.get(id);
        if (before !== undefined) queue.push(before);
      }
    }
  };
  keep(targets);
  const gates = new Set(kept);
  for (const stage of plan.stages) {
    // All of them: the stop of a loop behind a gate would bring the whole loop along.
    const hangsOn = stage.after.flatMap((after) => (after.kind === 'case' ? [after.ref.gate] : []));
    if (stage.kind === 'stop' && hangsOn.length > 0 && hangsOn.every((gate) => gates.has(gate))) keep([stage]);
  }
  const stages = plan.stages.filter(({ id }) => kept.has(id));
  return stages.length === plan.stages.length ? plan : { ...plan, stages, partial: true };
}
