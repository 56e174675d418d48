// What a stage's edges say about it, given what is known of the others: it can run with these inputs, it is not taken, it is
// blocked, or it waits. One pure function, used by the run (which waits) and by the plan (which says for what).
import { unreachable } from '../support/result.ts';
import type { StageId } from '../events/ids.ts';
import type { OutputRecord } from '../events/run-events.ts';
import type { CaseRef, PlannedStage, PortRef } from '../plan/plan.ts';
import type { RestorableRecord } from '../store/action-record.ts';
import { chosenCase as caseOf } from './gate.ts';

/** What is known of another stage. */
export type StageView =
  | ({ readonly is: 'done' } & StageResult)
  | { readonly is: 'not-taken'; readonly gate: StageId; readonly chosen: string }
  | { readonly is: 'failed'; readonly by: StageId }
  /** Not ended yet. `outputs` are what it will give if it is taken at all, where that is known already. */
  | { readonly is: 'open'; readonly outputs?: Outputs };

export interface StageResult {
  readonly outputs: Outputs;
  /** For gates. */
  readonly chosen?: string;
  readonly work?: Work;
}

/** What making it took, as its record says: the same for two stages that share the record. */
export interface Work {
  readonly key: string;
  readonly milliseconds: number;
}

export type Outputs = { readonly [port: string]: OutputRecord };

export interface ResolvedInput {
  /** `metrics`, or `heads[detection]` for a member of a collection. */
  readonly port: string;
  readonly from: PortRef;
  readonly output: OutputRecord;
}

export function resultIn({ key, outputs, verdict, madeBy }: RestorableRecord): StageResult {
  const work = { key, milliseconds: madeBy.milliseconds };
  return { outputs, work, ...(verdict === undefined ? {} : { chosen: caseOf(verdict) }) };
}

/** All that a stage goes by. */
export interface StageInputs {
  readonly artifacts: readonly ResolvedInput[];
  /** What its timed jobs took, once all of them have ended; undefined for a stage that asks for no time. */
  readonly spentMs?: number;
}

export type Readiness =
  | { readonly is: 'ready'; readonly inputs: StageInputs }
  | { readonly is: 'not-taken'; readonly gate: StageId; readonly chosen: string }
  | { readonly is: 'blocked'; readonly by: StageId }
  | { readonly is: 'waiting'; readonly for: readonly Awaited[]; readonly known: StageInputs };

/** A stage's end, or a gate's case. */
export type Awaited = { readonly what: 'end' | 'case'; readonly stage: StageId };

export function readinessOf(stage: PlannedStage, view: (id: StageId) => StageView): Readiness {
  const artifacts: ResolvedInput[] = [];
  const awaited: Awaited[] = [];
  let notTaken: { readonly gate: StageId; readonly chosen: string } | undefined;
  let failed: StageId | undefined;

  const look = (id: StageId, what: Awaited['what']): Extract<StageView, { is: 'done' }> | undefined => {
    const seen = view(id);
    switch (seen.is) {
      case 'done':
        return seen;
      case 'not-taken':
        notTaken ??= { gate: seen.gate, chosen: seen.chosen };
        return undefined;
      case 'failed':
        failed ??= seen.by;
        return undefined;
      case 'open':
        awaited.push({ what, stage: id });
        return undefined;
      default:
        return unreachable(seen);
    }
  };
  const holds = (ref: CaseRef): boolean | undefined => {
    const gate = look(ref.gate, 'case');
    return gate === undefined ? undefined : ref.cases.includes(chosenCase(ref.gate, gate.chosen));
  };
  const take = (port: string, from: PortRef): void => {
    look(from.stage, 'end');
    const producer = view(from.stage);
    if (producer.is === 'not-taken' || producer.is === 'failed' || producer.outputs === undefined) return;
    const output = producer.outputs[from.port];
    if (output === undefined) throw new Error(`stage ${from.stage} has no output ${from.port}`);
    artifacts.push({ port, from, output });
  };

  for (const after of stage.after) {
    if (after.kind === 'stage') look(after.stage, 'end');
    else if (holds(after.ref) === false) notTaken ??= chosenBy(after.ref.gate, view);
  }
  for (const [port, binding] of Object.entries(stage.inputs)) {
    switch (binding.shape) {
      case 'one':
        take(port, binding.from);
        break;
      case 'collect':
        for (const item of binding.items) take(`${port}[${item.key}]`, item.from);
        break;
      case 'oneOf': {
        const answers = binding.alternatives.map((alternative) => holds(alternative.when));
        const chosen = binding.alternatives[answers.indexOf(true)];
        const gate = binding.alternatives[0]?.when.gate;
        if (chosen !== undefined) take(port, chosen.from);
        // A case that no alternative names is one at which the run ends or this stage has no place.
        else if (gate !== undefined && answers.every((answer) => answer === false)) notTaken ??= chosenBy(gate, view);
        break;
      }
      default:
        return unreachable(binding);
    }
  }

  const works = new Map<string, number>();
  let open = false;
  for (const id of stage.timed) {
    const seen = view(id);
    if (seen.is === 'open') {
      awaited.push({ what: 'end', stage: id });
      open = true;
    } else if (seen.is === 'failed') failed ??= seen.by;
    else if (seen.is === 'done' && seen.work !== undefined) works.set(seen.work.key, seen.work.milliseconds);
  }
  const spentMs = [...works.values()].reduce((sum, milliseconds) => sum + milliseconds, 0);
  const inputs: StageInputs = stage.timed.length === 0 || open ? { artifacts } : { artifacts, spentMs };

  // Not taken wins over blocked: whatever failed, this stage had no part in the run.
  if (notTaken !== undefined) return { is: 'not-taken', ...notTaken };
  if (awaited.length > 0) return { is: 'waiting', for: awaited, known: inputs };
  if (failed !== undefined) return { is: 'blocked', by: failed };
  return { is: 'ready', inputs };
}

/** Whether these are all inputs that a stage will have, however long it still waits. */
export function areAllInputs(stage: PlannedStage, { artifacts, spentMs }: StageInputs): boolean {
  const counts = Object.values(stage.inputs).map((binding) => (binding.shape === 'collect' ? binding.items.length : 1));
  const isTimeKnown = stage.timed.length === 0 || spentMs !== undefined;
  return isTimeKnown && artifacts.length === counts.reduce((sum, count) => sum + count, 0);
}

/** Every stage that an edge of this one comes from. */
export function dependenciesOf(stage: PlannedStage): ReadonlySet<StageId> {
  const ids = new Set<StageId>(stage.timed);
  for (const after of stage.after) ids.add(after.kind === 'stage' ? after.stage : after.ref.gate);
  for (const binding of Object.values(stage.inputs)) {
    switch (binding.shape) {
      case 'one':
        ids.add(binding.from.stage);
        break;
      case 'collect':
        for (const item of binding.items) ids.add(item.from.stage);
        break;
      case 'oneOf':
        for (const { when, from } of binding.alternatives) ids.add(when.gate).add(from.stage);
        break;
      default:
        return unreachable(binding);
    }
  }
  return ids;
}

function chosenBy(
  gate: StageId,
  view: (id: StageId) => StageView,
): { readonly gate: StageId; readonly chosen: string } {
  const seen = view(gate);
  return { gate, chosen: seen.is === 'done' ? chosenCase(gate, seen.chosen) : '' };
}

function chosenCase(gate: StageId, chosen: string | undefined): string {
  if (chosen === undefined) throw new Error(`${gate} is used as a gate and has chosen nothing`);
  return chosen;
}
