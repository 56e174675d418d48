// JSON Schema (draft 2020-12) over located JSON: every error becomes a diagnostic at the exact key or value, and defaults
// are filled in.
import {
  badName,
  badText,
  missingKey,
  notAllowed,
  outOfRange,
  unknownKey,
  wrongType,
} from '../diagnostics/catalogue/schema.ts';
import { ENOUGH_PROBLEMS } from '../diagnostics/diagnostic.ts';
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import { innerPlace, nodeAt, toJson } from '../diagnostics/located-json.ts';
import type { Located } from '../diagnostics/located-json.ts';
import type { Place } from '../diagnostics/source.ts';
import { isJsonObject, jsonText } from '../support/json.ts';
import type { Json, JsonObject } from '../support/json.ts';
import { err, ok } from '../support/result.ts';
import type { Result } from '../support/result.ts';
import { looseValidatorOf, validatorOf } from './validators.ts';
import type { SchemaError } from './validators.ts';

/** `what` names the whole value in messages: `the workflow`, `the settings of stage "merge"`. */
export function checkSchema(
  schema: JsonObject,
  node: Located,
  what: string,
  validate = validatorOf(schema),
): Result<Json, readonly Diagnostic[]> {
  const value = toJson(node);
  if (validate(value)) return ok(value);
  const problems = (validate.errors ?? [])
    .slice(0, 5 * ENOUGH_PROBLEMS)
    .flatMap((error) => describe(error, schema, node, what));
  if (problems.length === 0) throw new Error(`a schema error has no words: ${JSON.stringify(validate.errors)}`);
  return err(problems);
}

/** By a schema that a user wrote; a text says why it is none. */
export function checkUserSchema(
  schema: JsonObject,
  node: Located,
  what: string,
): Result<Json, readonly Diagnostic[] | string> {
  const validator = looseValidatorOf(schema);
  return validator.ok ? checkSchema(schema, node, what, validator.value) : validator;
}

function describe(error: SchemaError, whole: JsonObject, root: Located, what: string): readonly Diagnostic[] {
  const path = error.instancePath
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  const node = nodeAt(root, path);
  const where = nameOf(path, what);
  const schema = isJsonObject(error.parentSchema) ? error.parentSchema : {};
  const params = error.params as { readonly [name: string]: Json };
  switch (error.keyword) {
    case 'additionalProperties': {
      const key = jsonText(params['additionalProperty']);
      return [unknownKey(keyPlace(node, key), key, where, keysOf(schema['properties']))];
    }
    case 'required': {
      const key = jsonText(params['missingProperty']);
      return [missingKey(ownerPlace(root, path), key, where, descriptionIn(schema, key))];
    }
    case 'type':
      return [wrongType(node.at, where, articles([params['type'] ?? null].flat()), described(node))];
    case 'enum':
      return [notAllowed(innerPlace(node), where, scalarText(node), (params['allowedValues'] as Json[]).map(jsonText))];
    case 'const':
      return [notAllowed(innerPlace(node), where, scalarText(node), [jsonText(params['allowedValue'])])];
    case 'discriminator':
      return [badTag(root, path, node, where, jsonText(params['tag']), branchesOf(schema, whole))];
    case 'pattern':
      if (error.propertyName !== undefined)
        return [badName(keyPlace(node, error.propertyName), error.propertyName, where)];
      return [badText(node.at, where, formOf(schema))];
    case 'if': // the branch that failed reports itself
    case 'propertyNames':
      return [];
    default:
      return [outOfRange(boundPlace(root, path), where, `${ruleText(error)}${foundText(node)}`)];
  }
}

/** ajv's own words for bounds ("must be >= 1"), in plain language where they speak of items and properties. */
function ruleText(error: SchemaError): string {
  return (error.message ?? error.keyword)
    .replace('must NOT have fewer than', 'must have at least')
    .replace('must NOT have more than', 'must have at most')
    .replace(/must NOT have duplicate items \(items ## (\d+) and (\d+) are identical\)/, 'names the same thing twice')
    .replace(/^must be (>=|<=|>|<) /, (_, sign: string) => `must be ${bounds[sign] ?? sign} `)
    .replace('properties', 'members');
}

const bounds: { readonly [sign: string]: string } = {
  '>=': 'at least',
  '<=': 'at most',
  '>': 'more than',
  '<': 'less than',
};

function foundText(node: Located): string {
  return node.type === 'number' ? `, not ${node.value}` : '';
}

/** A bound on a number points at the number, one on a list or an object at its key. */
function boundPlace(root: Located, path: readonly string[]): Place {
  const node = nodeAt(root, path);
  return node.type === 'object' || node.type === 'array' ? ownerPlace(root, path) : node.at;
}

function badTag(
  root: Located,
  path: readonly string[],
  node: Located,
  where: string,
  tag: string,
  branches: readonly JsonObject[],
): Diagnostic {
  const allowed = branches.map((branch) => jsonText(nested(branch, 'properties', tag)?.['const']));
  const value = node.type === 'object' ? node.members.get(tag)?.value : undefined;
  if (value === undefined) return missingKey(ownerPlace(root, path), tag, where, `one of: ${allowed.join(', ')}`);
  return notAllowed(innerPlace(value), `"${tag}"`, scalarText(value), allowed);
}

/** The alternatives told apart by a tag, references to `#/$defs` followed. */
function branchesOf(schema: JsonObject, whole: JsonObject): readonly JsonObject[] {
  const branches = Array.isArray(schema['oneOf']) ? (schema['oneOf'] as readonly Json[]) : [];
  return branches.filter(isJsonObject).map((branch) => {
    const name = /^#\/\$defs\/(\w+)$/.exec(jsonText(branch['$ref']))?.[1];
    return (name === undefined ? undefined : nested(whole, '$defs', name)) ?? branch;
  });
}

function nameOf(path: readonly string[], what: string): string {
  const indices: string[] = [];
  let last = path.length - 1;
  while (last >= 0 && /^\d+$/.test(path[last] ?? '')) indices.unshift(`[${path[last--]}]`);
  return last < 0 ? `${what}${indices.join('')}` : `"${path[last]}"${indices.join('')}`;
}

/** For a problem of an object as a whole: the key that holds it, or its opening brace. */
function ownerPlace(root: Located, path: readonly string[]): Place {
  const key = path.at(-1);
  const parent = nodeAt(root, path.slice(0, -1));
  if (key !== undefined && parent.type === 'object') return keyPlace(parent, key);
  const node = nodeAt(root, path);
  return node.type === 'object' || node.type === 'array' ? { ...node.at, length: 1 } : node.at;
}

function keyPlace(node: Located, key: string): Place {
  return node.type === 'object' ? (node.members.get(key)?.keyAt ?? node.at) : node.at;
}

function keysOf(properties: Json | undefined): readonly string[] {
  return properties !== undefined && isJsonObject(properties) ? Object.keys(properties) : [];
}

function nested(schema: JsonObject, ...path: readonly string[]): JsonObject | undefined {
  let current: Json | undefined = schema;
  for (const step of path) current = current !== undefined && isJsonObject(current) ? current[step] : undefined;
  return isJsonObject(current) ? current : undefined;
}

/** What a schema says of one of its keys. */
export function descriptionIn(schema: JsonObject, key: string): string | undefined {
  const text = nested(schema, 'properties', key)?.['description'];
  return typeof text === 'string' ? `"${key}": ${text}` : undefined;
}

function formOf(schema: JsonObject): string {
  const examples = schema['examples'];
  return Array.isArray(examples) ? `${JSON.stringify(examples[0])}` : jsonText(schema['pattern']);
}

const articleOf: { readonly [type: string]: string } = {
  object: 'an object',
  array: 'an array',
  string: 'a string',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
  null: 'null',
};

function articles(types: readonly Json[]): string {
  return types.map((type) => articleOf[jsonText(type)] ?? jsonText(type)).join(' or ');
}

function described(node: Located): string {
  if (node.type === 'number') return String(node.value);
  if (node.type === 'string') return `the string ${JSON.stringify(node.value)}`;
  if (node.type === 'boolean') return String(node.value);
  return articleOf[node.type] ?? node.type;
}

function scalarText(node: Located): string {
  return node.type === 'object' || node.type === 'array' ? `${articleOf[node.type]}` : String(node.value);
}
