// A few values for each part of a JSON Schema: enough to see everything that depends on a choice. Not valid in every
// respect (patterns and formats are not looked at), because only code that reads settings loosely sees them.
import { isJsonObject } from '../../src/support/json.ts';
import type { Json, JsonObject } from '../../src/support/json.ts';

/** Stands for any task and any head: `head[task]`. */
export const anyName = 'task';

/** Schemas by their `$id`, for references between files. */
export type SchemaRoots = ReadonlyMap<string, JsonObject>;

export function samplesOf(schema: Json | undefined, root: JsonObject, roots: SchemaRoots): readonly Json[] {
  if (!isJsonObject(schema)) return [];
  const { $ref: reference, enum: allowed, items } = schema;
  if (typeof reference === 'string')
    return samplesOf(resolve(reference, root, roots), rootOf(reference, root, roots), roots);
  if (Array.isArray(allowed)) return allowed as readonly Json[];
  if (schema['const'] !== undefined) return [schema['const']];
  if (Array.isArray(schema['oneOf'])) {
    return (schema['oneOf'] as readonly Json[]).flatMap((branch) => samplesOf(branch, root, roots));
  }
  switch (Array.isArray(schema['type']) ? (schema['type'] as readonly Json[]).at(-1) : schema['type']) {
    case 'boolean':
      return [false, true];
    case 'integer':
    case 'number':
      return [Number(schema['minimum'] ?? 0), Number(schema['minimum'] ?? 0) + 1];
    case 'string':
      return [anyName];
    case 'array': {
      const all = samplesOf(items, root, roots);
      return [[], all, ...all.map((item) => [item])];
    }
    case 'object':
      return objectSamples(schema, root, roots);
    default:
      return [];
  }
}

function objectSamples(schema: JsonObject, root: JsonObject, roots: SchemaRoots): readonly JsonObject[] {
  const properties = isJsonObject(schema['properties']) ? Object.entries(schema['properties']) : [];
  const first: { [key: string]: Json } = {};
  const last: { [key: string]: Json } = {};
  for (const [name, property] of properties) {
    const samples = samplesOf(property, root, roots);
    const [one] = samples;
    const other = samples.at(-1);
    if (one !== undefined) first[name] = one;
    if (other !== undefined) last[name] = other;
  }
  const [open] = samplesOf(schema['additionalProperties'], root, roots).slice(-1);
  return [{}, first, open === undefined ? last : { ...last, [anyName]: open }];
}

/** `#/$defs/name` of the same file, or the `$id` of another. */
export function resolve(reference: string, root: JsonObject, roots: SchemaRoots): Json | undefined {
  const [, pointer = ''] = reference.split('#');
  let found: Json | undefined = rootOf(reference, root, roots);
  for (const step of pointer.split('/').slice(1)) found = isJsonObject(found) ? found[step] : undefined;
  if (found === undefined) throw new Error(`there is no schema ${reference}`);
  return found;
}

export function rootOf(reference: string, root: JsonObject, roots: SchemaRoots): JsonObject {
  const [file = ''] = reference.split('#');
  if (file === '') return root;
  const other = roots.get(file);
  if (other === undefined) throw new Error(`there is no schema ${file}`);
  return other;
}
