// Schemas and manifests are imported as JSON modules; the compiler's guess at their type is too narrow to be of use.
import { isJsonObject } from '../support/json.ts';
import type { JsonObject } from '../support/json.ts';

export function jsonModule(imported: unknown): JsonObject {
  if (!isJsonObject(imported)) throw new Error('a JSON module does not hold an object');
  return imported;
}
