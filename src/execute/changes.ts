// What differs between two pre-images, as JSON pointers with old and new text: the answer to "why did it run again?".
import type { Change } from '../events/run-events.ts';
import { byCodeUnit, canonicalJson } from '../support/canonical-json.ts';
import { isJsonObject, type Json, type JsonObject } from '../support/json.ts';

export function changesBetween(before: Json, after: Json): readonly Change[] {
  const changes: Change[] = [];
  compare('', before, after, changes);
  return changes;
}

/**
 * Between the pre-images of two keys of one stage. Commands' keys once held the seed and the threads of their workflow: that
 * they no longer do is no change that anybody made.
 */
export function changesOfKey(before: JsonObject, after: JsonObject): readonly Change[] {
  return changesBetween(inFormOf(before, after), after);
}

function inFormOf(before: JsonObject, after: JsonObject): JsonObject {
  const [old, now] = [before['code'], after['code']];
  if (!isJsonObject(old) || !isJsonObject(now) || old['command'] !== 1 || now['command'] !== 2) return before;
  const { seed, threads, ...rest } = before;
  return {
    ...rest,
    code: now,
    ...('seed' in after && seed !== undefined ? { seed } : {}),
    ...('threads' in after && threads !== undefined ? { threads } : {}),
  };
}

function compare(pointer: string, before: Json | undefined, after: Json | undefined, changes: Change[]): void {
  if (isJsonObject(before) && isJsonObject(after)) {
    for (const name of unionOfKeys(before, after))
      compare(`${pointer}/${escaped(name)}`, before[name], after[name], changes);
    return;
  }
  if (Array.isArray(before) && Array.isArray(after) && before.length === after.length) {
    const [old, now] = [before as readonly Json[], after as readonly Json[]];
    old.forEach((item, index) => compare(`${pointer}/${index}`, item, now[index], changes));
    return;
  }
  const [old, now] = [spelled(before), spelled(after)];
  if (old !== now) changes.push({ pointer, before: old, after: now });
}

function unionOfKeys(left: object, right: object): readonly string[] {
  return [...new Set([...Object.keys(left), ...Object.keys(right)])].sort(byCodeUnit);
}

function spelled(value: Json | undefined): string | null {
  return value === undefined ? null : canonicalJson(value);
}

/** RFC 6901. */
function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
