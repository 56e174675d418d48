// forEach: what a stage is repeated for. Tasks, words, objects with a key, or every combination of several lists.
import { badItemKey, excludedNothing, keyOfItemMissing, tooManyStages } from '../diagnostics/catalogue/groups.ts';
import {
  duplicateItem,
  emptyFanOut,
  taskWithFanOut,
  unknownTask,
  wrongShape,
} from '../diagnostics/catalogue/parameters.ts';
import { innerPlace, locate, memberOf, toJson, withMembers } from '../diagnostics/located-json.ts';
import type { Located, LocatedObject } from '../diagnostics/located-json.ts';
import type { Place } from '../diagnostics/source.ts';
import { isSubstitution, substitute } from '../expression/substitution.ts';
import type { Scope } from '../expression/substitution.ts';
import type { StageSpec } from '../spec/workflow-spec.ts';
import { canonicalJson } from '../support/canonical-json.ts';
import type { Json, JsonObject } from '../support/json.ts';
import type { Declarations } from './declarations.ts';
import type { FanOut, Problems } from './instance.ts';

export interface Item {
  /** '' for a stage without forEach. */
  readonly key: string;
  readonly at: Place;
  /** Words that references without a key may mean: the key, and for a matrix its parts. */
  readonly keys: readonly string[];
  /** Undefined for a plain word. */
  readonly fields: JsonObject | undefined;
  /** The fields as written; in an axis of a matrix, the value itself. */
  readonly node: Located | undefined;
  readonly task: string | undefined;
}

export interface Items {
  readonly domain: FanOut['domain'];
  readonly items: readonly Item[];
}

export function itemsOf(spec: StageSpec, declarations: Declarations, scope: Scope, problems: Problems): Items {
  if (spec.forEach === undefined) return { domain: 'none', items: [{ ...plain('', spec.nameAt), keys: [] }] };
  const forEach = isSubstitution(spec.forEach) ? substitute(spec.forEach, scope, problems) : spec.forEach;
  if (forEach === undefined) return { domain: 'list', items: [] };
  const reader = new ItemReader(declarations, scope, problems);
  const found = reader.read(forEach);
  if (spec.task !== undefined && found.items.some(({ task }) => task !== undefined)) {
    problems.push(taskWithFanOut(spec.task.at));
  }
  return found;
}

/** Of one workflow, with everything that its templates, loops and fan-outs make. */
export const maxStages = 100_000;

const keyForm = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

class ItemReader {
  private readonly declarations: Declarations;
  private readonly scope: Scope;
  private readonly problems: Problems;

  constructor(declarations: Declarations, scope: Scope, problems: Problems) {
    this.declarations = declarations;
    this.scope = scope;
    this.problems = problems;
  }

  read(forEach: Located): Items {
    if (forEach.type === 'array') return { domain: 'list', items: this.list(forEach, forEach.items) };
    if (forEach.type === 'string' && forEach.value === 'tasks')
      return { domain: 'tasks', items: this.allTasks(forEach) };
    const only = forEach.type === 'object' && forEach.members.size === 1 ? [...forEach.members.values()][0] : undefined;
    const tasks = only?.key === 'tasks' ? this.resolved(only.value) : undefined;
    if (tasks?.type === 'array') return { domain: 'tasks', items: this.namedTasks(tasks, tasks.items) };
    const matrix = memberOf(forEach, 'matrix');
    if (matrix?.type === 'object') return { domain: 'list', items: this.matrix(matrix, memberOf(forEach, 'exclude')) };
    const expected = '"tasks", {"tasks": ["name", …]}, a list of words, or {"matrix": {"name": [value, …]}}';
    this.problems.push(wrongShape(forEach.at, 'forEach', expected));
    return { domain: 'tasks', items: [] };
  }

  private allTasks({ at }: Located): readonly Item[] {
    const { tasks, spec } = this.declarations;
    if (spec.tasks.size === 0) this.problems.push(emptyFanOut(at));
    return [...tasks.values()].map((task) => ({ ...plain(task.name, at), task: task.name }));
  }

  private namedTasks(list: Located, nodes: readonly Located[]): readonly Item[] {
    const { tasks, spec } = this.declarations;
    const items = this.list(list, nodes);
    const unknown = items.filter(({ key }) => !spec.tasks.has(key));
    this.problems.push(...unknown.map(({ key, at }) => unknownTask(at, key, [...spec.tasks.keys()])));
    return items.flatMap((item) => (tasks.has(item.key) ? [{ ...item, task: item.key }] : []));
  }

  private list(list: Located, nodes: readonly Located[]): readonly Item[] {
    if (nodes.length === 0) this.problems.push(emptyFanOut(list.at));
    const items = nodes.flatMap((node) => this.item(node));
    return this.distinct(items);
  }

  private item(written: Located): readonly Item[] {
    const node = this.resolved(written);
    if (node?.type === 'string') return this.checked(node.value, innerPlace(node), undefined, undefined);
    if (node?.type !== 'object') {
      if (node !== undefined) this.problems.push(wrongShape(node.at, 'forEach', 'a list of words'));
      return [];
    }
    const key = memberOf(node, 'key');
    if (key?.type !== 'string') {
      this.problems.push(keyOfItemMissing({ ...node.at, length: 1 }));
      return [];
    }
    return this.checked(key.value, innerPlace(key), toJson(node) as JsonObject, node);
  }

  private checked(key: string, at: Place, fields: JsonObject | undefined, node: Located | undefined): readonly Item[] {
    if (keyForm.test(key)) return [{ ...plain(key, at), fields, node }];
    this.problems.push(badItemKey(at, key));
    return [];
  }

  private distinct(items: readonly Item[]): readonly Item[] {
    const seen = new Set<string>();
    return items.filter(({ key, at }) => {
      if (!seen.has(key)) return seen.add(key);
      this.problems.push(duplicateItem(at, key));
      return false;
    });
  }

  /** Every combination, the last list fastest. A list called `task` with names of tasks gives the instances their task. */
  private matrix(matrix: LocatedObject, exclude: Located | undefined): readonly Item[] {
    let combinations: readonly Item[] = [
      { key: '', keys: [], at: matrix.at, fields: {}, node: { ...matrix, members: new Map() }, task: undefined },
    ];
    for (const { key: name, keyAt, value } of matrix.members.values()) {
      const values = this.axis(name, value);
      if (values.length === 0) this.problems.push(emptyFanOut(keyAt));
      if (combinations.length * values.length > maxStages) {
        this.problems.push(tooManyStages(keyAt, maxStages));
        return [];
      }
      combinations = combinations.flatMap((before) =>
        values.map((item) => ({
          key: before.key === '' ? item.key : `${before.key},${item.key}`,
          keys: [...before.keys, item.key],
          at: item.at,
          fields: { ...before.fields, [name]: item.fields?.['value'] ?? item.key },
          node: withMembers(before.node, singleMember(name, item)),
          task: before.task ?? item.task,
        })),
      );
    }
    const left = combinations.map((item) => ({ ...item, keys: [item.key, ...item.keys] }));
    return this.without(left, exclude?.type === 'array' ? exclude.items : []);
  }

  private axis(name: string, written: Located): readonly Item[] {
    const node = this.resolved(written);
    if (node?.type === 'string' && node.value === 'tasks') return this.allTasks(node);
    if (node?.type !== 'array') {
      if (node !== undefined) this.problems.push(wrongShape(node.at, name, 'a list of values, or "tasks"'));
      return [];
    }
    if (name === 'task') return this.namedTasks(node, node.items);
    const items = node.items.flatMap((item): readonly Item[] => {
      const value = this.resolved(item);
      if (value === undefined) return [];
      if (value.type === 'object' || value.type === 'array' || value.type === 'null') {
        this.problems.push(wrongShape(value.at, name, 'a list of words, numbers, true or false'));
        return [];
      }
      return this.checked(String(value.value), innerPlace(value), { value: value.value }, value);
    });
    return this.distinct(items);
  }

  private without(items: readonly Item[], excluded: readonly Located[]): readonly Item[] {
    return excluded.reduce((left, node) => {
      const wanted = toJson(this.resolved(node) ?? node);
      const kept = left.filter(({ fields }) => !covers(fields ?? {}, wanted));
      if (kept.length === left.length) this.problems.push(excludedNothing(node.at, canonicalJson(wanted)));
      return kept;
    }, items);
  }

  private resolved(node: Located): Located | undefined {
    return substitute(node, this.scope, this.problems);
  }
}

function covers(fields: JsonObject, wanted: Json): boolean {
  if (typeof wanted !== 'object' || wanted === null || Array.isArray(wanted)) return false;
  const entries = Object.entries(wanted);
  return (
    entries.length > 0 && entries.every(([name, value]) => canonicalJson(fields[name] ?? null) === canonicalJson(value))
  );
}

function plain(key: string, at: Place): Item {
  return { key, at, keys: [key], fields: undefined, node: undefined, task: undefined };
}

function singleMember(name: string, { key, at, node }: Item): Located {
  const member = { key: name, keyAt: at, value: node ?? locate(key, at) };
  return { type: 'object', at, members: new Map([[name, member]]) };
}
