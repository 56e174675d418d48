// Substitution objects: {"$param": "a.b"}, {"$arg": "a.b"}, {"$each": "path"}, {"$key": true}, {"$iteration": true},
// {"$profile": "field"}, {"$equals": [x, y]}, {"$choose": [condition, a, b]}, {"$item": [list, index]}, {"$length": list}.
// A total little language over values known before anything runs; no strings are spliced.
import { argumentOutsideTemplate, iterationOutsideLoop, unknownArgument } from '../diagnostics/catalogue/groups.ts';
import {
  conditionNotBoolean,
  crowdedSubstitution,
  eachWithoutItem,
  indexNotWhole,
  indexOutOfRange,
  itemIsPlain,
  malformedSubstitution,
  noProfile,
  notAList,
  unknownItemField,
  unknownParameter,
  unknownProfileField,
  unknownSubstitution,
} from '../diagnostics/catalogue/parameters.ts';
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import { carried, innerPlace, locate, memberOf, toJson } from '../diagnostics/located-json.ts';
import type { Located, LocatedArray, LocatedObject, Member } from '../diagnostics/located-json.ts';
import type { Place } from '../diagnostics/source.ts';
import { canonicalJson } from '../support/canonical-json.ts';
import { isJsonObject } from '../support/json.ts';
import type { Json, JsonObject } from '../support/json.ts';
import { fieldPaths, fieldAt } from './field-path.ts';

/** What a substitution may look at. The nodes say where the values were written; without one, problems point to its use. */
export interface Scope {
  readonly params: JsonObject;
  readonly paramsNode?: Located | undefined;
  /** The item of a fan-out, or the stage's task: its fields are undefined for plain words. */
  readonly item?: {
    readonly key: string;
    readonly fields: JsonObject | undefined;
    readonly node?: Located | undefined;
  };
  readonly profile?: { readonly name: string; readonly fields: JsonObject; readonly node?: Located };
  /** Arguments of the template that the stage stands in. */
  readonly args?: { readonly template: string; readonly values: JsonObject; readonly node?: Located | undefined };
  /** Of the innermost loop, from 0. */
  readonly iteration?: number;
}

const names = ['$param', '$arg', '$each', '$key', '$iteration', '$profile', '$equals', '$choose', '$item', '$length'];

/** The value with every substitution replaced; undefined when one could not be (its problem is in `problems`). */
export function substitute(node: Located, scope: Scope, problems: Diagnostic[]): Located | undefined {
  switch (node.type) {
    case 'array': {
      const items = node.items.map((item) => substitute(item, scope, problems));
      return items.some((item) => item === undefined)
        ? undefined
        : { ...node, items: items.filter((item) => item !== undefined) };
    }
    case 'object':
      return isSubstitution(node) ? evaluate(node, scope, problems) : substituteMembers(node, scope, problems);
    default:
      return node;
  }
}

export function isSubstitution(node: Located): node is LocatedObject {
  return node.type === 'object' && [...node.members.keys()].some((key) => key.startsWith('$'));
}

function substituteMembers(node: LocatedObject, scope: Scope, problems: Diagnostic[]): Located | undefined {
  const members = new Map<string, Member>();
  let complete = true;
  for (const member of node.members.values()) {
    const value = substitute(member.value, scope, problems);
    if (value === undefined) complete = false;
    // A parameter that is null by default leaves the setting out until someone sets it.
    else if (value.type === 'null' && isSubstitution(member.value)) continue;
    else members.set(member.key, { ...member, value });
  }
  return complete ? { ...node, members } : undefined;
}

function evaluate(node: LocatedObject, scope: Scope, problems: Diagnostic[]): Located | undefined {
  const refuse = (problem: Diagnostic): undefined => void problems.push(problem);
  const member = [...node.members.values()].find(({ key }) => key.startsWith('$'));
  if (member === undefined) return undefined;
  const { key, keyAt, value } = member;
  if (!names.includes(key)) return refuse(unknownSubstitution(keyAt, key, names));
  if (node.members.size > 1) return refuse(crowdedSubstitution(keyAt, key));
  switch (key) {
    case '$param':
      return value.type === 'string'
        ? field(
            { values: scope.params, node: scope.paramsNode },
            value.value,
            node.at,
            () => unknownParameter(innerPlace(value), value.value, fieldPaths(scope.params)),
            problems,
          )
        : refuse(malformedSubstitution(value.at, key, '{"$param": "path.to.parameter"}'));
    case '$arg':
      return value.type === 'string'
        ? argument(value.value, innerPlace(value), node.at, scope, problems)
        : refuse(malformedSubstitution(value.at, key, '{"$arg": "path.to.argument"}'));
    case '$iteration':
      if (value.type !== 'boolean' || !value.value)
        return refuse(malformedSubstitution(value.at, key, '{"$iteration": true}'));
      return scope.iteration === undefined ? refuse(iterationOutsideLoop(node.at)) : locate(scope.iteration, node.at);
    case '$each':
      return value.type === 'string'
        ? eachField(value.value, innerPlace(value), node.at, scope, problems)
        : refuse(malformedSubstitution(value.at, key, '{"$each": "path.in.item"}'));
    case '$key':
      if (value.type !== 'boolean' || !value.value)
        return refuse(malformedSubstitution(value.at, key, '{"$key": true}'));
      return scope.item === undefined ? refuse(eachWithoutItem(node.at, key)) : locate(scope.item.key, node.at);
    case '$profile':
      return value.type === 'string'
        ? profileField(value.value, innerPlace(value), node.at, scope, problems)
        : refuse(malformedSubstitution(value.at, key, '{"$profile": "field"}'));
    case '$equals':
      return equals(value, node.at, scope, problems);
    case '$item':
      return itemAt(value, scope, problems);
    case '$length': {
      const list = listIn(value, key, scope, problems);
      return list && locate(list.items.length, node.at);
    }
    default:
      return choose(value, scope, problems);
  }
}

function field(
  { values, node }: { readonly values: JsonObject; readonly node?: Located | undefined },
  path: string,
  at: Place,
  missing: () => Diagnostic,
  problems: Diagnostic[],
): Located | undefined {
  const value = fieldAt(values, path);
  if (value !== undefined) return carried(value, nodeWithin(node, path), at);
  problems.push(missing());
  return undefined;
}

function nodeWithin(node: Located | undefined, path: string): Located | undefined {
  return path.split('.').reduce((inner: Located | undefined, step) => memberOf(inner, step), node);
}

function argument(path: string, pathAt: Place, at: Place, scope: Scope, problems: Diagnostic[]): Located | undefined {
  const { args } = scope;
  if (args === undefined) return void problems.push(argumentOutsideTemplate(at));
  const { template, values } = args;
  return field(args, path, at, () => unknownArgument(pathAt, path, template, fieldPaths(values)), problems);
}

function eachField(path: string, pathAt: Place, at: Place, scope: Scope, problems: Diagnostic[]): Located | undefined {
  const { item } = scope;
  if (item === undefined) return void problems.push(eachWithoutItem(at, '$each'));
  const { fields, node } = item;
  if (fields === undefined) return void problems.push(itemIsPlain(at, item.key));
  return field(
    { values: fields, node },
    path,
    at,
    () => unknownItemField(pathAt, path, item.key, fieldPaths(fields)),
    problems,
  );
}

function profileField(
  path: string,
  pathAt: Place,
  at: Place,
  scope: Scope,
  problems: Diagnostic[],
): Located | undefined {
  const { profile } = scope;
  if (profile === undefined) return void problems.push(noProfile(at));
  return field(
    { values: profile.fields, node: profile.node },
    path,
    at,
    () => unknownProfileField(pathAt, path, profile.name, fieldPaths(profile.fields)),
    problems,
  );
}

function equals(operands: Located, at: Place, scope: Scope, problems: Diagnostic[]): Located | undefined {
  if (operands.type !== 'array' || operands.items.length !== 2) {
    return void problems.push(malformedSubstitution(operands.at, '$equals', '{"$equals": [x, y]}'));
  }
  const [left, right] = operands.items.map((item) => substitute(item, scope, problems));
  if (left === undefined || right === undefined) return undefined;
  return { type: 'boolean', at, value: canonicalJson(toJson(left)) === canonicalJson(toJson(right)) };
}

/** Only the chosen side is evaluated: the other may speak of things that do not exist here. */
function choose(operands: Located, scope: Scope, problems: Diagnostic[]): Located | undefined {
  const [condition, whenTrue, whenFalse] =
    operands.type === 'array' && operands.items.length === 3 ? operands.items : [];
  if (condition === undefined || whenTrue === undefined || whenFalse === undefined) {
    return void problems.push(malformedSubstitution(operands.at, '$choose', '{"$choose": [condition, a, b]}'));
  }
  const held = substitute(condition, scope, problems);
  if (held === undefined) return undefined;
  if (held.type !== 'boolean') return void problems.push(conditionNotBoolean(held.at, kindOf(toJson(held))));
  return substitute(held.value ? whenTrue : whenFalse, scope, problems);
}

function itemAt(operands: Located, scope: Scope, problems: Diagnostic[]): Located | undefined {
  const [written, place] = operands.type === 'array' && operands.items.length === 2 ? operands.items : [];
  if (written === undefined || place === undefined)
    return void problems.push(malformedSubstitution(operands.at, '$item', '{"$item": [list, index]}'));
  const list = listIn(written, '$item', scope, problems);
  const index = substitute(place, scope, problems);
  if (list === undefined || index === undefined) return undefined;
  if (index.type !== 'number' || !Number.isInteger(index.value) || index.value < 0)
    return void problems.push(indexNotWhole(index.at, kindOf(toJson(index))));
  return list.items[index.value] ?? void problems.push(indexOutOfRange(index.at, index.value, list.items.length));
}

function listIn(written: Located, key: string, scope: Scope, problems: Diagnostic[]): LocatedArray | undefined {
  const list = substitute(written, scope, problems);
  if (list === undefined || list.type === 'array') return list;
  return void problems.push(notAList(list.at, key, kindOf(toJson(list))));
}

function kindOf(value: Json): string {
  return value === null
    ? 'null'
    : Array.isArray(value)
      ? 'an array'
      : isJsonObject(value)
        ? 'an object'
        : JSON.stringify(value);
}
