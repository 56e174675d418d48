// Stages of one plan that are the same work: equal settings, code and inputs, whatever they are called. Known before anything
// runs, by comparing each stage with all that comes before it. Where they have outputs the work is done once and shared, which
// is hardly meant where it draws random numbers of its own; where they have none, each of them is done.
import { equalReplicates } from '../diagnostics/catalogue/graph.ts';
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import type { Place } from '../diagnostics/source.ts';
import type { StageId } from '../events/ids.ts';
import { digestJson, type Digest } from '../support/digest.ts';
import type { JsonObject } from '../support/json.ts';
import type { Binding, CaseRef, PlannedStage, PortRef } from './plan.ts';

/** @param stages in the plan's order: what a stage reads comes before it. */
export function equalStages(stages: readonly PlannedStage[]): readonly (readonly PlannedStage[])[] {
  const identities = new Map<StageId, Digest>();
  const groups = new Map<Digest, PlannedStage[]>();
  for (const stage of stages) {
    const identity = digestJson('headgate-work', 1, workOf(stage, identities));
    identities.set(stage.id, identity);
    const group = groups.get(identity);
    if (group === undefined) groups.set(identity, [stage]);
    else group.push(stage);
  }
  return [...groups.values()].filter((group) => group.length > 1);
}

/** Gives stages without outputs their number among their equals, by place in the plan: no name is in it. */
export function withOrdinals(
  stages: readonly PlannedStage[],
  groups: readonly (readonly PlannedStage[])[],
): readonly PlannedStage[] {
  const ordinals = new Map(
    groups
      .filter(([first]) => first !== undefined && isCheck(first))
      .flatMap((group) => group.map(({ id }, index) => [id, index] as const)),
  );
  return stages.map((stage) => {
    const ordinal = ordinals.get(stage.id) ?? 0;
    return ordinal === 0 ? stage : { ...stage, ordinal };
  });
}

/** A job for its effect alone. */
export function isCheck({ runsOn, outputs }: PlannedStage): boolean {
  return (runsOn === 'command' || runsOn === 'program') && outputs.length === 0;
}

/** One warning for each group of which every stage might have been meant to draw numbers of its own. */
export function replicateWarnings(
  groups: readonly (readonly PlannedStage[])[],
  draws: (stage: PlannedStage) => boolean,
  placeOf: (stage: PlannedStage) => Place | undefined,
): readonly Diagnostic[] {
  return groups.flatMap((group) => {
    const [first] = group;
    const at = first === undefined ? undefined : placeOf(first);
    if (first === undefined || at === undefined || first.outputs.length === 0 || !draws(first)) return [];
    return [
      equalReplicates(
        at,
        group.map(({ id }) => id),
        first.runsOn === 'command',
      ),
    ];
  });
}

function workOf(stage: PlannedStage, identities: ReadonlyMap<StageId, Digest>): JsonObject {
  const { kind, settings, seed, threads, withheld = [], files, program, inputs, outputs, timed } = stage;
  const made = (id: StageId): string => identities.get(id) ?? id;
  const port = (ref: PortRef): string => `${made(ref.stage)}.${ref.port}`;
  return {
    kind,
    settings,
    seed: withheld.includes('seed') ? null : seed,
    threads: withheld.includes('threads') ? null : threads,
    files: files.map(({ name, path }) => [name, path]),
    program: program?.declared ?? null,
    inputs: Object.fromEntries(Object.entries(inputs).map(([name, binding]) => [name, readBy(binding, port, made)])),
    outputs: outputs.map(({ name }) => name),
    timed: timed.map(made),
  };
}

function readBy(
  binding: Binding,
  port: (ref: PortRef) => string,
  made: (id: StageId) => string,
): string | readonly (readonly string[])[] {
  const cases = ({ gate, cases: names }: CaseRef): readonly string[] => [made(gate), ...names];
  switch (binding.shape) {
    case 'one':
      return port(binding.from);
    case 'collect':
      return binding.items.map(({ key, from }) => [key, port(from)]);
    case 'oneOf':
      return binding.alternatives.map(({ when, from }) => [...cases(when), port(from)]);
  }
}
