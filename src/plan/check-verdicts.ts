// Cases that decide on verdicts: the gate reads some, and every name is a case that one of them can choose. Verdicts come
// from gates, also through joins and stages that hand on what they are given.
import { verdictNeverChosen, verdictsNeeded } from '../diagnostics/catalogue/gate-cases.ts';
import { innerPlace } from '../diagnostics/located-json.ts';
import type { Problems, ResolvedVerdicts, StageInstance } from './instance.ts';
import { isDisabled, type LinkedBinding, type LinkedStage, type OutputRef } from './linked-stage.ts';

export type LinkedStages = ReadonlyMap<StageInstance, LinkedStage>;

export function checkVerdicts(
  { cases, at }: ResolvedVerdicts,
  { instance, inputs }: LinkedStage,
  stages: LinkedStages,
  problems: Problems,
): void {
  const read = inputs.get('verdicts');
  if (read === undefined) return void problems.push(verdictsNeeded(at, instance.id));
  const known = casesBehind(read.binding, stages);
  for (const name of cases) {
    if (!known.has(name.value))
      problems.push(verdictNeverChosen(innerPlace(name), instance.id, name.value, [...known]));
  }
}

function casesBehind(binding: LinkedBinding, stages: LinkedStages): ReadonlySet<string> {
  const known = new Set<string>();
  const seen = new Set<string>();
  const open: OutputRef[] = [...outputsOf(binding)];
  for (let ref = open.pop(); ref !== undefined; ref = open.pop()) {
    const { producer, port } = ref;
    if (seen.has(`${producer.id}.${port}`)) continue;
    seen.add(`${producer.id}.${port}`);
    if (producer.kind.role === 'gate') for (const { name } of producer.cases) known.add(name);
    const handedOn = stages.get(producer)?.inputs.get(port);
    if (handedOn !== undefined) open.push(...outputsOf(handedOn.binding));
  }
  return known;
}

function outputsOf(binding: LinkedBinding): readonly OutputRef[] {
  switch (binding.shape) {
    case 'one':
      return [binding.from];
    case 'collect':
      return binding.items.map(({ from }) => from);
    case 'oneOf':
      return binding.alternatives.flatMap(({ from }) => (isDisabled(from) ? [] : [from]));
  }
}
