// `after` of an instance: stages to wait for, and cases of gates that must have been chosen.
import { disabledProducer } from '../diagnostics/catalogue/links.ts';
import { memberOf } from '../diagnostics/located-json.ts';
import type { Located } from '../diagnostics/located-json.ts';
import type { Problems, StageInstance } from './instance.ts';
import type { LinkedAfter } from './linked-stage.ts';
import type { Asking, Lookup } from './lookup.ts';

export function linkAfter(instance: StageInstance, lookup: Lookup, problems: Problems): readonly LinkedAfter[] {
  const node = instance.spec.after;
  if (node === undefined) return [];
  const asking: Asking = { instance, zipKey: instance.zipKey };
  const elements = node.type === 'array' ? node.items : [node];
  return elements.flatMap((element) => linkElement(element, lookup, asking, problems));
}

function linkElement(element: Located, lookup: Lookup, asking: Asking, problems: Problems): readonly LinkedAfter[] {
  const anyOf = memberOf(element, 'anyOf');
  if (anyOf?.type === 'array') return caseElement(anyOf.items, anyOf, lookup, asking, problems);
  const reference = lookup.orderReference(element, 'after');
  if (reference === undefined) return [];
  if (reference.case !== undefined) return caseElement([element], element, lookup, asking, problems);
  // A disabled stage leaves nothing to wait for.
  const stages = lookup.instances(reference, asking) ?? [];
  return stages
    .filter((stage) => stage !== asking.instance)
    .map((stage) => ({ kind: 'stage', stage, at: reference.at }));
}

function caseElement(
  nodes: readonly Located[],
  whole: Located,
  lookup: Lookup,
  asking: Asking,
  problems: Problems,
): readonly LinkedAfter[] {
  const at = whole.type === 'array' ? { ...whole.at, length: 1 } : whole.at;
  const refs = lookup.cases(nodes, 'after', at, asking);
  if (refs?.length === 0) {
    const [first] = nodes;
    problems.push(disabledProducer(at, first?.type === 'string' ? (first.value.split(':')[0] ?? '') : ''));
  }
  return (refs ?? []).map((ref) => ({ kind: 'case', ref }));
}
