// Back from a stage that runs to what somebody changed: through inputs that changed to the stages that made them, until a
// setting, a file, code or a missing output is found.
import type { StageId } from '../events/ids.ts';
import type { Change, RunCause } from '../events/run-events.ts';
import type { Plan, PlannedStage } from '../plan/plan.ts';

/** What is known of one stage on the way. */
export interface Step {
  readonly cause?: RunCause;
  /** Stages that may give something else than before. */
  readonly behind?: readonly StageId[];
}

export interface RootCause {
  /** From the stage that was asked for to this one, both included. */
  readonly path: readonly StageId[];
  readonly stage: StageId;
  /** Without changes of inputs: those have led here. */
  readonly cause: RunCause;
}

const MOST_ROOTS = 8;

export async function rootCauses(
  plan: Plan,
  start: StageId,
  step: (id: StageId) => Promise<Step>,
): Promise<readonly RootCause[]> {
  const stages = new Map(plan.stages.map((stage) => [stage.id, stage]));
  const roots: RootCause[] = [];
  const seen = new Set<StageId>([start]);
  const queue: (readonly StageId[])[] = [[start]];
  for (let path = queue.shift(); path !== undefined && roots.length < MOST_ROOTS; path = queue.shift()) {
    const id = path.at(-1) ?? start;
    const { cause, behind = [] } = await step(id);
    const changed = cause?.because === 'changed' ? cause.changes : [];
    const inputs = changed.filter(({ pointer }) => pointer.startsWith('/inputs/'));
    const own = changed.filter(({ pointer }) => !pointer.startsWith('/inputs/'));
    if (cause !== undefined && (cause.because !== 'changed' || own.length > 0)) {
      roots.push({ path, stage: id, cause: cause.because === 'changed' ? { ...cause, changes: own } : cause });
    }
    const stage = stages.get(id);
    const producers = stage === undefined ? [] : inputs.flatMap((change) => producersOf(stage, change));
    for (const next of [...producers, ...behind]) {
      if (seen.has(next)) continue;
      seen.add(next);
      queue.push([...path, next]);
    }
  }
  return roots;
}

function producersOf({ inputs, timed }: PlannedStage, { pointer }: Change): readonly StageId[] {
  const port = pointer.slice('/inputs/'.length).replaceAll('~1', '/').replaceAll('~0', '~');
  if (port === 'spent' && timed.length > 0) return timed;
  for (const [name, binding] of Object.entries(inputs)) {
    switch (binding.shape) {
      case 'one':
        if (name === port) return [binding.from.stage];
        break;
      case 'oneOf':
        if (name === port) return binding.alternatives.flatMap(({ when, from }) => [from.stage, when.gate]);
        break;
      case 'collect': {
        const item = binding.items.find(({ key }) => `${name}[${key}]` === port);
        if (item !== undefined) return [item.from.stage];
      }
    }
  }
  return [];
}
