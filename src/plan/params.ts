// Parameters: the workflow's defaults, then params files, then `--set a.b=1`. Only what the defaults declare can be set,
// and only to a value of the same type.
import { schemaOfParamsInvalid } from '../diagnostics/catalogue/groups.ts';
import {
  malformedSetting,
  paramsNotObject,
  parameterType,
  unknownParameter,
} from '../diagnostics/catalogue/parameters.ts';
import { reservedKey } from '../diagnostics/catalogue/source.ts';
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import { locate, memberOf, toJson } from '../diagnostics/located-json.ts';
import type { Located, LocatedObject } from '../diagnostics/located-json.ts';
import { sourceDocument } from '../diagnostics/source.ts';
import type { Place } from '../diagnostics/source.ts';
import { errorAt } from '../diagnostics/diagnostic.ts';
import { fieldPaths } from '../expression/field-path.ts';
import { maxDepth, parseJson, reservedKeys } from '../spec/json-syntax.ts';
import { checkUserSchema } from '../spec/schema-check.ts';
import { isJsonObject } from '../support/json.ts';
import type { Json, JsonObject } from '../support/json.ts';

export interface Params {
  readonly values: JsonObject;
  /** The same with the places where each value was written last. */
  readonly node: Located | undefined;
  /** Where a path was set last, if not by its default. */
  readonly setAt: ReadonlyMap<string, Place>;
}

type Unknown = (at: Place, path: string, known: readonly string[]) => Diagnostic;

/**
 * @param files parsed params files, in the order given; @param settings the words after each `--set`.
 * @param unknown what to say of a name that the defaults do not have.
 */
export function mergeParams(
  defaults: Located | undefined,
  files: readonly Located[],
  settings: readonly string[],
  problems: Diagnostic[],
  unknown: Unknown = unknownParameter,
): Params {
  const setAt = new Map<string, Place>();
  let node = defaults;
  for (const override of [...files, ...settings.flatMap((text) => settingNode(text, problems))]) {
    if (override.type !== 'object') problems.push(paramsNotObject(override.at));
    else {
      const into: LocatedObject =
        node?.type === 'object' ? node : { type: 'object', at: override.at, members: new Map() };
      node = mergeObject(into, override, '', { all: fieldPaths(objectOf(into)), setAt, problems, unknown });
    }
  }
  return { values: node === undefined ? {} : objectOf(node), node, setAt };
}

/** Parameters against the schemas that the workflow declares for them. */
export function checkParams({ node }: Params, schemas: readonly Located[], problems: Diagnostic[]): void {
  for (const schema of schemas) {
    const whole: Located = node ?? { type: 'object', at: { ...schema.at, length: 1 }, members: new Map() };
    const invalid = (why: string): void => void problems.push(schemaOfParamsInvalid({ ...schema.at, length: 1 }, why));
    try {
      const checked = checkUserSchema(objectOf(schema), whole, 'the parameters');
      if (checked.ok) continue;
      if (typeof checked.error === 'string') invalid(checked.error);
      else problems.push(...checked.error);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error; // of the stack
      invalid('it refers to itself without end');
    }
  }
}

function objectOf(node: Located): JsonObject {
  const value = toJson(node);
  return isJsonObject(value) ? value : {};
}

interface Merging {
  readonly all: readonly string[];
  readonly setAt: Map<string, Place>;
  readonly problems: Diagnostic[];
  readonly unknown: Unknown;
}

function mergeObject(into: LocatedObject, from: LocatedObject, prefix: string, merging: Merging): LocatedObject {
  const merged = new Map(into.members);
  // An empty object as default declares an open table.
  const open = prefix !== '' && into.members.size === 0;
  for (const member of from.members.values()) {
    const { key, keyAt } = member;
    const path = `${prefix}${key}`;
    const before = into.members.get(key)?.value;
    const value = asDeclared(before, member.value);
    if (before === undefined && !open) {
      merging.problems.push(merging.unknown(keyAt, deepest(path, value), merging.all));
      continue;
    }
    if (before !== undefined && !sameType(toJson(before), value)) {
      merging.problems.push(parameterType(value.at, path, typeWord(toJson(before)), typeWord(toJson(value))));
      continue;
    }
    merging.setAt.set(path, value.at);
    const both = before?.type === 'object' && value.type === 'object' && !otherKind(before, value);
    merged.set(
      key,
      both ? { ...member, value: mergeObject(before, value, `${path}.`, merging) } : { ...member, value },
    );
  }
  return { ...into, members: merged };
}

/** `--set text=2` means the text where a string is declared: a shell takes the quotes away, a params file keeps them. */
function asDeclared(before: Located | undefined, value: Located): Located {
  if (before?.type !== 'string' || value.at.source.file !== '--set') return value;
  if (value.type !== 'number' && value.type !== 'boolean') return value;
  const text = value.at.source.text.slice(value.at.offset).trim();
  // Every part of an object or a list has the place of the whole.
  return /^[[{]/.test(text) ? value : { type: 'string', at: value.at, value: text };
}

/** Objects told apart by `kind` have other fields each: a new kind replaces the whole object. */
function otherKind(before: Located, after: Located): boolean {
  const [old, now] = [memberOf(before, 'kind'), memberOf(after, 'kind')];
  return old !== undefined && now !== undefined && toJson(now) !== toJson(old);
}

/** The whole path that was meant, so that the suggestion can be a whole path. */
function deepest(path: string, value: Located): string {
  if (value.type !== 'object' || value.members.size !== 1) return path;
  const [member] = value.members.values();
  return member === undefined ? path : deepest(`${path}.${member.key}`, member.value);
}

/** `a.b=1` as the object {"a": {"b": 1}}; a value that is not JSON is a string. */
function settingNode(text: string, problems: Diagnostic[]): readonly Located[] {
  const source = sourceDocument('--set', text);
  const equals = text.indexOf('=');
  const path = text.slice(0, Math.max(equals, 0)).trim();
  const steps = path.split('.');
  if (steps.length > maxDepth || steps.some((step) => step === '')) {
    problems.push(malformedSetting({ source, offset: 0, length: Math.max(1, text.length) }));
    return [];
  }
  const at: Place = { source, offset: 0, length: equals };
  const reserved = steps.find((step) => reservedKeys.has(step));
  if (reserved !== undefined) {
    problems.push(reservedKey(at, reserved));
    return [];
  }
  const valueAt: Place = { source, offset: equals + 1, length: Math.max(1, text.length - equals - 1) };
  const value = parseValue(text.slice(equals + 1), valueAt, problems);
  if (value === undefined) return [];
  const nest = (inner: Located, key: string): Located => ({
    type: 'object',
    at,
    members: new Map([[key, { key, keyAt: at, value: inner }]]),
  });
  return [steps.reduceRight(nest, value)];
}

/** JSON, else a string; JSON that a workflow could not hold either is refused. */
function parseValue(text: string, at: Place, problems: Diagnostic[]): Located | undefined {
  const parsed = parseJson(sourceDocument('--set', text));
  if (parsed.ok) return locate(toJson(parsed.value), at);
  const refused = parsed.error.filter(({ code }) => !isSyntax(code));
  problems.push(...refused.map(({ code, message }) => errorAt(code, at, { message })));
  return refused.length > 0 ? undefined : { type: 'string', at, value: text };
}

/** Text that was not meant as JSON at all: broken, with comments, with a trailing comma, empty. */
function isSyntax(code: Diagnostic['code']): boolean {
  return ['HG1005', 'HG1006', 'HG1007', 'HG1012'].includes(code);
}

function sameType(before: Json, after: Located): boolean {
  if (before === null || after.type === 'null') return before === null;
  return typeWord(before) === typeWord(toJson(after));
}

function typeWord(value: Json): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'boolean') return 'true or false';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
