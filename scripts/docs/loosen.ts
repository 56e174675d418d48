// A schema of values → the schema of what may be written for them: at every place where a value is expected, the value or
// a substitution. References are followed into `shared`, so that the result stands in one file.
import { isJsonObject, jsonText } from '../../src/support/json.ts';
import type { Json, JsonObject } from '../../src/support/json.ts';
import { resolve, rootOf, type SchemaRoots } from './schema-samples.ts';

const annotations = ['title', 'description', 'default', 'examples'];

/** @param shared definitions that the result refers to as `#/$defs/…`; added to. @param name what its own are prefixed with. */
export function loosen(
  root: JsonObject,
  name: string,
  roots: SchemaRoots,
  shared: { [definition: string]: JsonObject },
): JsonObject {
  return value(root, { root, name, roots, shared });
}

interface Place {
  readonly root: JsonObject;
  readonly name: string;
  readonly roots: SchemaRoots;
  readonly shared: { [definition: string]: JsonObject };
}

function value(schema: Json | undefined, place: Place): JsonObject {
  if (!isJsonObject(schema)) return {};
  const said = pick(schema, annotations);
  const { $ref: reference } = schema;
  if (typeof reference === 'string') {
    const target = resolve(reference, place.root, place.roots);
    // Words stand where the reference does: editors show the innermost ones, and those are the least precise.
    return {
      ...(isJsonObject(target) ? pick(target, annotations) : {}),
      ...said,
      $ref: sharedReference(reference, place),
    };
  }
  return { ...said, anyOf: [strict(schema, place), { $ref: '#/$defs/substitution' }] };
}

/** The value itself; its parts may be substitutions. */
function strict(schema: JsonObject, place: Place): JsonObject {
  const {
    $schema: _schema,
    $id: _id,
    $defs: _defs,
    oneOf,
    discriminator,
    properties,
    items,
    additionalProperties,
    ...rest
  } = schema;
  const kept = Object.fromEntries(Object.entries(rest).filter(([key]) => !annotations.includes(key)));
  const tag = isJsonObject(discriminator) ? discriminator['propertyName'] : undefined;
  return {
    ...kept,
    ...(isJsonObject(properties) ? { properties: members(properties, place) } : {}),
    ...(items === undefined ? {} : { items: value(items, place) }),
    ...(isJsonObject(additionalProperties)
      ? { additionalProperties: value(additionalProperties, place) }
      : additionalProperties === undefined
        ? {}
        : { additionalProperties }),
    ...(typeof tag === 'string' && Array.isArray(oneOf) ? tagged(oneOf as readonly Json[], tag, place) : {}),
  };
}

function members(properties: JsonObject, place: Place): JsonObject {
  return Object.fromEntries(Object.entries(properties).map(([name, property]) => [name, value(property, place)]));
}

/** Alternatives told apart by a field: that field decides which of them speaks, so that a slip is told where it is. */
function tagged(branches: readonly Json[], tag: string, place: Place): JsonObject {
  const found = branches.filter(isJsonObject).map((branch) => {
    const reference = branch['$ref'];
    const target = typeof reference === 'string' ? resolve(reference, place.root, place.roots) : branch;
    if (!isJsonObject(target)) throw new Error(`an alternative of ${place.name} is no object`);
    const properties = isJsonObject(target['properties']) ? target['properties'] : {};
    const { [tag]: own, ...others } = properties;
    const constant = isJsonObject(own) ? own['const'] : undefined;
    if (constant === undefined) throw new Error(`an alternative of ${place.name} has no constant "${tag}"`);
    return { constant, target, others };
  });
  const words = found.map(({ target }) =>
    [target['title'], target['description']].filter((text) => typeof text === 'string').join(': '),
  );
  const choice: JsonObject = {
    description: `Which of: ${found.map(({ constant }) => jsonText(constant)).join(', ')}.`,
    anyOf: [{ enum: found.map(({ constant }) => constant), enumDescriptions: words }, { $ref: '#/$defs/substitution' }],
  };
  return {
    properties: { [tag]: choice },
    allOf: found.map(({ constant, target, others }) => ({
      if: { required: [tag], properties: { [tag]: { const: constant } } },
      // The field itself was judged above; here it is only allowed.
      then: { ...strict({ ...target, properties: {} }, place), properties: { [tag]: true, ...members(others, place) } },
    })),
  };
}

function sharedReference(reference: string, { root, name, roots, shared }: Place): string {
  const [file = '', pointer = ''] = reference.split('#');
  const local = pointer.split('/').at(-1) ?? '';
  const stem = file === '' ? name : (/([\w-]+)\.schema\.json$/.exec(file)?.[1] ?? file);
  const definition = local === '' ? stem : `${stem}.${local}`;
  if (shared[definition] === undefined) {
    const target = resolve(reference, root, roots);
    shared[definition] = {}; // so that a definition may mention itself
    const inner = value(target, { root: rootOf(reference, root, roots), name: stem, roots, shared });
    shared[definition] = Object.fromEntries(Object.entries(inner).filter(([key]) => !annotations.includes(key)));
  }
  return `#/$defs/${definition}`;
}

function pick(from: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(from).filter(([key]) => keys.includes(key)));
}
