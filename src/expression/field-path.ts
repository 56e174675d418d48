// Dotted paths into plain JSON: `heads.detection.qat.epochs`. Own fields only, so no prototype is ever reached.
import { isJsonObject } from '../support/json.ts';
import type { Json, JsonObject } from '../support/json.ts';

export function fieldAt(object: JsonObject, path: string): Json | undefined {
  let current: Json | undefined = object;
  for (const step of path.split('.')) {
    if (current === undefined || !isJsonObject(current) || !Object.hasOwn(current, step)) return undefined;
    current = current[step];
  }
  return current;
}

/** Every path there is, inner ones too, for suggestions. */
export function fieldPaths(object: JsonObject, prefix = ''): readonly string[] {
  return Object.entries(object).flatMap(([key, value]) => {
    const path = `${prefix}${key}`;
    return isJsonObject(value) ? [path, ...fieldPaths(value, `${path}.`)] : [path];
  });
}
