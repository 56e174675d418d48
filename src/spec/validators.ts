// A validating function for each schema. The build compiles the schemas of this project ahead of time with what is here, so
// that a run neither loads ajv nor compiles anything; other schemas (of stage kinds from packages) are compiled when they
// are first used. The only file that knows ajv.
import { createRequire } from 'node:module';
import type * as Library from 'ajv/dist/2020.js';
import trainingSchema from '../../schemas/training.schema.json' with { type: 'json' };
import { digestBytes } from '../support/digest.ts';
import type { Digest } from '../support/digest.ts';
import type { JsonObject } from '../support/json.ts';
import { err, ok } from '../support/result.ts';
import type { Result } from '../support/result.ts';
import { boundedPatterns } from './bounded-pattern.ts';
import { precompiled } from './precompiled-schemas.ts';

export type SchemaError = Library.ErrorObject;

/** Fills in defaults; says what is wrong in `errors`. */
export interface Validator {
  (value: unknown): boolean;
  errors?: null | SchemaError[];
}

const validators = new WeakMap<JsonObject, Validator>();
let ajv: Library.Ajv2020 | undefined;

export function validatorOf(schema: JsonObject): Validator {
  const known = validators.get(schema) ?? precompiled.get(schemaDigest(schema)) ?? (ajv ??= newAjv()).compile(schema);
  validators.set(schema, known);
  return known;
}

/** By content: a foreign schema may bear a name of ours. */
export function schemaDigest(schema: JsonObject): Digest {
  return digestBytes(JSON.stringify(schema));
}

/** With every option that decides what is valid; `code` is for the build. */
export function newAjv(code: Library.Options['code'] = {}): Library.Ajv2020 {
  const made = new (library().Ajv2020)({
    allErrors: true,
    verbose: true,
    useDefaults: true,
    discriminator: true,
    strictRequired: false,
    allowUnionTypes: true,
    code,
  });
  made.addSchema(trainingSchema);
  // What editors are told (schemas/as-written.schema.json) the engine checks part by part, after substitution.
  made.addSchema({ $id: 'headgate:/schemas/as-written.schema.json', $defs: { workflow: true, stage: true } });
  made.addKeyword('enumDescriptions'); // what each allowed value means, shown by editors
  return made;
}

/** For a schema that a user wrote: words without effect are taken too, and only compiling it finds what is wrong with it. */
export function looseValidatorOf({ $id: _, ...anonymous }: JsonObject): Result<Validator, string> {
  const options = {
    allErrors: true,
    verbose: true,
    strict: false,
    validateSchema: false,
    code: { regExp: boundedPatterns() },
  };
  try {
    return ok(new (library().Ajv2020)(options).compile(anonymous));
  } catch (error) {
    return err(error instanceof Error ? error.message : String(error));
  }
}

/** Why a schema that somebody else wrote cannot be used, words without effect included; undefined when it can. */
export function schemaProblem(schema: JsonObject): string | undefined {
  const { $id: _, ...anonymous } = schema;
  try {
    const options = { strict: true, strictRequired: false, allowUnionTypes: true, discriminator: true };
    new (library().Ajv2020)(options).compile(anonymous);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function library(): typeof Library {
  return createRequire(import.meta.url)('ajv/dist/2020.js') as typeof Library;
}
