// The names that a workflow, a description or a package may hold: read from the schemas and asked of the kinds, so that a
// text which names something else names nothing.
import { readSchemas } from '../../scripts/docs/generated-files.ts';
import { portsOf } from '../../scripts/docs/kind-ports.ts';
import { resolve, rootOf } from '../../scripts/docs/schema-samples.ts';
import { retryWords } from '../../src/events/failure-reasons.ts';
import { stageKinds } from '../../src/stages/registry.ts';
import { isJsonObject } from '../../src/support/json.ts';
import type { Json, JsonObject } from '../../src/support/json.ts';

const roots = readSchemas('.');

/** Property → properties below it, in any schema and at any depth. */
const below = new Map<string, Set<string>>();
const values = new Set<string>(retryWords);
for (const schema of roots.values()) collect(schema, schema);

function collect(node: Json, root: JsonObject): void {
  if (Array.isArray(node)) return void node.forEach((item: Json) => collect(item, root));
  if (!isJsonObject(node)) return;
  for (const [name, property] of propertiesOf(node)) {
    const inner = below.get(name) ?? new Set<string>();
    namesUnder(property, root, inner, new Set());
    below.set(name, inner);
  }
  const { enum: allowed, const: only, examples, default: usual } = node;
  for (const value of [allowed, only, examples, usual].flat()) if (typeof value === 'string') values.add(value);
  for (const inner of Object.values(node)) collect(inner, root);
}

function propertiesOf(node: JsonObject): readonly (readonly [string, Json])[] {
  return isJsonObject(node['properties']) ? Object.entries(node['properties']) : [];
}

function namesUnder(node: Json | undefined, root: JsonObject, names: Set<string>, seen: Set<string>): void {
  if (Array.isArray(node)) return void node.forEach((item: Json) => namesUnder(item, root, names, seen));
  if (!isJsonObject(node)) return;
  const { $ref: reference } = node;
  const identity = JSON.stringify([root['$id'] ?? '', reference ?? '']);
  // What is written loosely holds no names of its own.
  if (typeof reference === 'string' && !reference.startsWith('as-written') && !seen.has(identity)) {
    seen.add(identity);
    namesUnder(resolve(reference, root, roots), rootOf(reference, root, roots), names, seen);
  }
  for (const [name] of propertiesOf(node)) names.add(name);
  for (const inner of Object.values(node)) namesUnder(inner, root, names, seen);
}

/** Kind → its settings at any depth, and its ports. */
export const namesOfKinds: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  [...stageKinds.values()].map((kind) => {
    const names = new Set<string>();
    namesUnder(kind.settingsSchema, kind.settingsSchema, names, new Set());
    const { inputs, outputs, data } = portsOf(kind, roots);
    for (const { name } of [...inputs, ...outputs]) names.add(name).add(bare(name));
    return [kind.kind, new Set([...names, ...data])];
  }),
);

/** What a text about any kind may name beside the kind's own: settings of stages in general, of tasks and of profiles. */
export const namesOfAll: ReadonlySet<string> = new Set(
  ['workflow', 'task', 'profile'].flatMap((name) => {
    const schema = roots.get(`headgate:/schemas/${name}.schema.json`);
    const names = new Set<string>();
    if (schema !== undefined) namesUnder(schema, schema, names, new Set());
    return [...names];
  }),
);

const ports = new Set(['data', ...[...namesOfKinds.values()].flatMap((names) => [...names])]);

/** `data[train]` and `head[task]` are ports by the name before the bracket. */
function bare(name: string): string {
  return name.replace(/\[.*\]$/, '');
}

export function isPort(name: string): boolean {
  return ports.has(name) || ports.has(bare(name));
}

/** A setting, alone or with the way to it (`bootstrap.count`); `with` holds the settings of any kind. */
export function isSetting(path: string): boolean {
  const [first = '', ...rest] = path.split('.');
  if (first === 'with') return rest.length === 0 || isSetting(rest.join('.'));
  if (!below.has(first)) return false;
  return rest.every((name, index) => below.get(index === 0 ? first : (rest[index - 1] ?? ''))?.has(name) === true);
}

/** What a setting can be: `folded`, `tensorrt`, a kind of stage, a reason. */
export function isValue(word: string): boolean {
  return values.has(word) || stageKinds.has(word);
}
