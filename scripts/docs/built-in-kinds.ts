// The shadow of the workflow schema that says one thing only: wherever a stage stands, its kind is a built-in one. It holds
// where a workflow names no packages with kinds of their own.
import { isJsonObject } from '../../src/support/json.ts';
import type { Json, JsonObject } from '../../src/support/json.ts';

const prefix = 'builtInKinds';

/** Definitions `builtInKinds` (of a workflow) and `builtInKinds.<name>` (of each of its definitions that holds stages). */
export function builtInKindsOnly(
  workflow: JsonObject,
  kinds: readonly string[],
): { readonly [name: string]: JsonObject } {
  const defs = isJsonObject(workflow['$defs']) ? workflow['$defs'] : {};
  const holders = holdersOfStages(defs);
  const shadows = [...holders].map((name): [string, JsonObject] => {
    const shadow = shadowOf(defs[name], holders) ?? {};
    if (name !== 'stage') return [`${prefix}.${name}`, shadow];
    const inner = isJsonObject(shadow['properties']) ? shadow['properties'] : {};
    return [`${prefix}.${name}`, { ...shadow, properties: { ...inner, kind: { enum: kinds } } }];
  });
  return { [prefix]: shadowOf(workflow, holders) ?? {}, ...Object.fromEntries(shadows) };
}

/** Definitions from which a chain of references leads to `stage`, and that one. */
function holdersOfStages(defs: JsonObject): ReadonlySet<string> {
  const holders = new Set(['stage']);
  for (let before = 0; before !== holders.size;) {
    before = holders.size;
    for (const [name, schema] of Object.entries(defs)) {
      const text = JSON.stringify(schema);
      if ([...holders].some((holder) => text.includes(`"#/$defs/${holder}"`))) holders.add(name);
    }
  }
  return holders;
}

/** What is left of a schema when only the ways to stages are kept; undefined when there is none. */
function shadowOf(schema: Json | undefined, holders: ReadonlySet<string>): JsonObject | undefined {
  if (!isJsonObject(schema)) return undefined;
  const shadow: { [key: string]: Json } = {};
  const { $ref: reference, properties, if: condition } = schema;
  if (typeof reference === 'string') {
    const name = reference.replace('#/$defs/', '');
    if (holders.has(name)) shadow['$ref'] = `#/$defs/${prefix}.${name}`;
  }
  if (isJsonObject(properties)) {
    const kept = Object.entries(properties).flatMap(([name, property]) => {
      const inner = shadowOf(property, holders);
      return inner === undefined ? [] : [[name, inner] as const];
    });
    if (kept.length > 0) shadow['properties'] = Object.fromEntries(kept);
  }
  for (const key of ['additionalProperties', 'items', 'then', 'else']) {
    const inner = shadowOf(schema[key], holders);
    if (inner !== undefined) shadow[key] = inner;
  }
  if (condition !== undefined && (shadow['then'] !== undefined || shadow['else'] !== undefined))
    shadow['if'] = condition;
  return Object.keys(shadow).length === 0 ? undefined : shadow;
}
