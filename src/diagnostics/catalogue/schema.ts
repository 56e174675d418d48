// HG11xx (11–19): values that do not fit their schema. One constructor per problem.
import { errorAt } from '../diagnostic.ts';
import type { Diagnostic } from '../diagnostic.ts';
import type { Place } from '../source.ts';
import { listed, nearest, suggestion } from '../suggest.ts';

export function unknownKey(at: Place, key: string, where: string, known: readonly string[]): Diagnostic {
  return errorAt('HG1111', at, {
    message: `"${key}" is not a known key of ${where}`,
    help: suggestion(key, known, 'known keys'),
  });
}

export function missingKey(at: Place, key: string, where: string, description: string | undefined): Diagnostic {
  return errorAt('HG1112', at, { message: `${where} needs "${key}"`, help: description });
}

export function wrongType(at: Place, where: string, expected: string, found: string): Diagnostic {
  return errorAt('HG1113', at, { message: `${where} must be ${expected}, not ${found}` });
}

export function notAllowed(at: Place, where: string, value: string, allowed: readonly string[]): Diagnostic {
  const near = nearest(value, allowed);
  return errorAt('HG1114', at, {
    message: `${where} cannot be ${JSON.stringify(value)}`,
    help: near === undefined ? `one of: ${listed(allowed)}` : `did you mean "${near}"? (one of: ${listed(allowed)})`,
  });
}

export function outOfRange(at: Place, where: string, rule: string): Diagnostic {
  return errorAt('HG1115', at, { message: `${where} ${rule}` });
}

export function badName(at: Place, name: string, where: string): Diagnostic {
  return errorAt('HG1116', at, {
    message: `"${name}" cannot be a name in ${where}`,
    help: 'names start with a letter and hold letters, digits, "-" and "_"',
  });
}

export function badText(at: Place, where: string, form: string): Diagnostic {
  return errorAt('HG1117', at, { message: `${where} does not have the form ${form}` });
}

/** What a kind's own check found (see StageKind.check). */
export function settingRefused(at: Place, message: string, help: string | undefined): Diagnostic {
  return errorAt('HG1118', at, { message, help });
}
