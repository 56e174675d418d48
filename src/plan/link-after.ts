// `after` of an instance, and of the groups around it: stages to wait for, and cases of gates that must have been chosen.
import { groupWithoutOutputs } from '../diagnostics/catalogue/groups.ts';
import { disabledProducer } from '../diagnostics/catalogue/links.ts';
import { memberOf } from '../diagnostics/located-json.ts';
import type { Located } from '../diagnostics/located-json.ts';
import type { Place } from '../diagnostics/source.ts';
import { isDisabled } from './linked-stage.ts';
import type { LinkedAfter } from './linked-stage.ts';
import type { Lookup } from './lookup.ts';
import type { Asking } from './name-lookup.ts';
import { isGroup } from './namespace.ts';
import type { OrderLookup } from './order-lookup.ts';
import type { Problems, StageGroup, StageInstance } from './instance.ts';

export interface Lookups {
  readonly data: Lookup;
  readonly order: OrderLookup;
}

export function linkAfter(instance: StageInstance, lookups: Lookups, problems: Problems): readonly LinkedAfter[] {
  const { after } = instance.spec;
  const own = after === undefined ? [] : [{ node: after, from: instance.from }];
  return [...own, ...instance.required].flatMap(({ node, from }) => {
    const elements = node.type === 'array' ? node.items : [node];
    return elements.flatMap((element) => linkElement(element, lookups, { instance, from }, problems));
  });
}

function linkElement(element: Located, lookups: Lookups, asking: Asking, problems: Problems): readonly LinkedAfter[] {
  const anyOf = memberOf(element, 'anyOf');
  if (anyOf?.type === 'array') return caseElement(anyOf.items, anyOf, lookups, asking, problems);
  const reference = lookups.order.orderReference(element, 'after');
  if (reference === undefined) return [];
  if (reference.case !== undefined) return caseElement([element], element, lookups, asking, problems);
  // A disabled stage leaves nothing to wait for.
  const found = lookups.order.instances(reference, asking) ?? [];
  const { at } = reference;
  return found
    .flatMap((one) => (isGroup(one) ? endsOf(one, at, lookups, asking, problems) : [one]))
    .filter((stage) => stage !== asking.instance)
    .map((stage) => ({ kind: 'stage', stage, at }));
}

/** A group has ended when what it gives is there. */
function endsOf(
  group: StageGroup,
  at: Place,
  { data }: Lookups,
  asking: Asking,
  problems: Problems,
): readonly StageInstance[] {
  const ends = new Set<StageInstance>();
  for (const node of group.outputs.values()) {
    const from = data.output(node, 'after', { ...asking, from: group.inside });
    if (from !== undefined && from !== 'left out' && !isDisabled(from)) ends.add(from.producer);
  }
  if (group.outputs.size === 0) problems.push(groupWithoutOutputs(at, group.id));
  return [...ends];
}

function caseElement(
  nodes: readonly Located[],
  whole: Located,
  { order }: Lookups,
  asking: Asking,
  problems: Problems,
): readonly LinkedAfter[] {
  const at = whole.type === 'array' ? { ...whole.at, length: 1 } : whole.at;
  const refs = order.cases(nodes, 'after', at, asking);
  if (refs?.length === 0) {
    const [first] = nodes;
    problems.push(disabledProducer(at, first?.type === 'string' ? (first.value.split(':')[0] ?? '') : ''));
  }
  return (refs ?? []).map((ref) => ({ kind: 'case', ref }));
}
