// Stages of the file → instances: forEach, `enabled`, substitution, settings against their kind's schema. References are
// not looked up yet.
import {
  duplicateItem,
  emptyFanOut,
  taskWithFanOut,
  unknownKind,
  unknownTask,
  wrongShape,
} from '../diagnostics/catalogue/parameters.ts';
import { innerPlace } from '../diagnostics/located-json.ts';
import type { Located } from '../diagnostics/located-json.ts';
import type { Place } from '../diagnostics/source.ts';
import type { StageSpec } from '../spec/workflow-spec.ts';
import type { Declarations } from './declarations.ts';
import { InstanceBuilder } from './build-instance.ts';
import type { FanOut, Problems, StageInstance } from './instance.ts';

export type FanOuts = ReadonlyMap<string, FanOut>;

interface Item {
  /** '' for a stage without forEach. */
  readonly key: string;
  readonly at: Place;
}

export function expandStages(declarations: Declarations, problems: Problems): FanOuts {
  const fanOuts = new Map<string, FanOut>();
  let index = 0;
  for (const spec of declarations.spec.stages.values()) {
    const kind = declarations.kinds.get(spec.kind.value);
    if (kind === undefined) {
      problems.push(unknownKind(innerPlace(spec.kind), spec.kind.value, [...declarations.kinds.keys()]));
      continue;
    }
    const { domain, items } = itemsOf(spec, declarations, problems);
    const instances = new Map<string, StageInstance>();
    const disabled = new Set<string>();
    for (const item of items) {
      const built = new InstanceBuilder(declarations, spec, kind, domain, item.key, problems).build(index++);
      if (built === 'disabled') disabled.add(item.key);
      else if (built !== undefined) instances.set(item.key, built);
    }
    fanOuts.set(spec.name, { spec, domain, instances, disabled });
  }
  return fanOuts;
}

function itemsOf(
  spec: StageSpec,
  { tasks, spec: workflow }: Declarations,
  problems: Problems,
): { readonly domain: FanOut['domain']; readonly items: readonly Item[] } {
  const { forEach } = spec;
  if (forEach === undefined) return { domain: 'none', items: [{ key: '', at: spec.nameAt }] };
  if (forEach.type === 'array') return { domain: 'list', items: listItems(forEach, forEach.items, problems) };
  if (spec.task !== undefined) problems.push(taskWithFanOut(spec.task.at));
  if (forEach.type === 'string' && forEach.value === 'tasks') {
    if (workflow.tasks.size === 0) problems.push(emptyFanOut(forEach.at));
    return { domain: 'tasks', items: [...tasks.keys()].map((key) => ({ key, at: forEach.at })) };
  }
  const named =
    forEach.type === 'object' && forEach.members.size === 1 ? forEach.members.get('tasks')?.value : undefined;
  if (named?.type !== 'array') {
    problems.push(wrongShape(forEach.at, 'forEach', '"tasks", {"tasks": ["name", …]} or a list of words'));
    return { domain: 'tasks', items: [] };
  }
  const items = listItems(named, named.items, problems);
  const unknown = items.filter(({ key }) => !workflow.tasks.has(key));
  problems.push(...unknown.map(({ key, at }) => unknownTask(at, key, [...workflow.tasks.keys()])));
  return { domain: 'tasks', items: items.filter(({ key }) => tasks.has(key)) };
}

function listItems(list: Located, nodes: readonly Located[], problems: Problems): readonly Item[] {
  if (nodes.length === 0) problems.push(emptyFanOut(list.at));
  const items: Item[] = [];
  for (const node of nodes) {
    if (node.type !== 'string') problems.push(wrongShape(node.at, 'forEach', 'a list of words'));
    else if (items.some(({ key }) => key === node.value)) problems.push(duplicateItem(innerPlace(node), node.value));
    else items.push({ key: node.value, at: innerPlace(node) });
  }
  return items;
}
