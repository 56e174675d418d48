// JSON values that remember where they were written. Maps hold the members, so no name can collide with a prototype's.
// Not for parsing: `spec/` makes these from text, `expression/` makes new ones where a substitution stood.
import { isJsonObject } from '../support/json.ts';
import type { Json } from '../support/json.ts';
import type { Place } from './source.ts';

export type Located = LocatedObject | LocatedArray | LocatedString | LocatedNumber | LocatedBoolean | LocatedNull;

export interface LocatedObject {
  readonly type: 'object';
  readonly at: Place;
  readonly members: ReadonlyMap<string, Member>;
}
export interface Member {
  readonly key: string;
  readonly keyAt: Place;
  readonly value: Located;
}
export interface LocatedArray {
  readonly type: 'array';
  readonly at: Place;
  readonly items: readonly Located[];
}
export interface LocatedString {
  readonly type: 'string';
  readonly at: Place;
  readonly value: string;
}
export interface LocatedNumber {
  readonly type: 'number';
  readonly at: Place;
  readonly value: number;
}
export interface LocatedBoolean {
  readonly type: 'boolean';
  readonly at: Place;
  readonly value: boolean;
}
export interface LocatedNull {
  readonly type: 'null';
  readonly at: Place;
  readonly value: null;
}

export function toJson(node: Located): Json {
  switch (node.type) {
    case 'object': {
      const object: { [key: string]: Json } = {};
      for (const member of node.members.values()) object[member.key] = toJson(member.value);
      return object;
    }
    case 'array':
      return node.items.map(toJson);
    default:
      return node.value;
  }
}

/** A plain value as if it had been written at `at`: every part of it points there. */
export function locate(value: Json, at: Place): Located {
  if (value === null) return { type: 'null', at, value };
  if (typeof value === 'string') return { type: 'string', at, value };
  if (typeof value === 'number') return { type: 'number', at, value };
  if (typeof value === 'boolean') return { type: 'boolean', at, value };
  if (isJsonObject(value)) {
    const members = Object.entries(value).map(([key, item]): [string, Member] => [
      key,
      { key, keyAt: at, value: locate(item, at) },
    ]);
    return { type: 'object', at, members: new Map(members) };
  }
  return { type: 'array', at, items: value.map((item) => locate(item, at)) };
}

/**
 * A value that is used at `use`: every part of it points to where it was written, as far as `written` knows, and says that
 * it came through `use`.
 */
export function carried(value: Json, written: Located | undefined, use: Place): Located {
  const through = (at: Place): Place => ({ ...at, usedAt: [...(at.usedAt ?? []), use] });
  const at = written === undefined ? use : through(written.at);
  if (isJsonObject(value)) {
    const known = written?.type === 'object' ? written.members : undefined;
    const members = Object.entries(value).map(([key, item]): [string, Member] => {
      const member = known?.get(key);
      return member === undefined
        ? [key, { key, keyAt: at, value: locate(item, at) }]
        : [key, { key, keyAt: through(member.keyAt), value: carried(item, member.value, use) }];
    });
    return { type: 'object', at, members: new Map(members) };
  }
  if (!Array.isArray(value) || written?.type !== 'array') return locate(value, at);
  return {
    type: 'array',
    at,
    items: (value as readonly Json[]).map((item, index) => {
      const inner = written.items[index];
      return inner === undefined ? locate(item, at) : carried(item, inner, use);
    }),
  };
}

/** An object with the members of both; those of `more` win. */
export function withMembers(base: Located | undefined, more: Located | undefined): Located | undefined {
  if (base?.type !== 'object') return more;
  if (more?.type !== 'object') return base;
  return { ...more, members: new Map([...base.members, ...more.members]) };
}

export function memberOf(node: Located | undefined, key: string): Located | undefined {
  return node?.type === 'object' ? node.members.get(key)?.value : undefined;
}

/** The node at a path of keys and indices, or the deepest one there is on the way. */
export function nodeAt(node: Located, path: readonly (string | number)[]): Located {
  let current = node;
  for (const step of path) {
    const next =
      current.type === 'object'
        ? current.members.get(String(step))?.value
        : current.type === 'array'
          ? current.items[Number(step)]
          : undefined;
    if (next === undefined) return current;
    current = next;
  }
  return current;
}

/** Part of a string's characters, where the text spells them one to one; otherwise the whole string. */
export function within(node: LocatedString, start: number, length: number): Place {
  const spelled = node.at.source.text.slice(node.at.offset + 1, node.at.offset + 1 + node.value.length);
  if (spelled !== node.value) return node.at;
  return { ...node.at, offset: node.at.offset + 1 + start, length };
}

/** The characters of a string between its quotes; the whole node for anything else. */
export function innerPlace(node: Located): Place {
  return node.type === 'string' ? within(node, 0, node.value.length) : node.at;
}
