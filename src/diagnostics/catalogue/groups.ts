// HG17xx: templates, loops and included files. One constructor per problem.
import { errorAt } from '../diagnostic.ts';
import type { Diagnostic } from '../diagnostic.ts';
import { placeText } from '../source.ts';
import type { Place } from '../source.ts';
import { suggestion } from '../suggest.ts';

export function argumentOutsideTemplate(at: Place): Diagnostic {
  return errorAt('HG1701', at, {
    message: '"$arg" has a meaning only inside a template',
    help: 'elsewhere use {"$param": "path"}',
  });
}

export function unknownArgument(at: Place, path: string, template: string, known: readonly string[]): Diagnostic {
  return errorAt('HG1702', at, {
    message: `template "${template}" has no argument "${path}"`,
    help: suggestion(path, known, 'arguments'),
  });
}

export function iterationOutsideLoop(at: Place): Diagnostic {
  return errorAt('HG1703', at, { message: '"$iteration" has a meaning only inside the body of a loop' });
}

export function unknownTemplate(at: Place, name: string, known: readonly string[]): Diagnostic {
  return errorAt('HG1704', at, {
    message: `there is no template "${name}"`,
    help: known.length === 0 ? 'declare it under "templates"' : suggestion(name, known, 'templates'),
  });
}

export function templateMissing(at: Place, stage: string): Diagnostic {
  return errorAt('HG1705', at, {
    message: `stage "${stage}" of kind template does not say which`,
    help: 'add "template": "name"',
  });
}

/** @param chain the templates that use each other, the first one repeated at the end. */
export function templateCycle(at: Place, chain: readonly string[]): Diagnostic {
  return errorAt('HG1706', at, {
    message: `these templates use each other without end: ${chain.join(' → ')}`,
    help: 'for something that repeats use a stage of kind loop',
  });
}

export function fieldNotTaken(at: Place, field: string, kind: string, help: string): Diagnostic {
  return errorAt('HG1707', at, { message: `a stage of kind ${kind} takes no "${field}"`, help });
}

export function templateInputMissing(at: Place, stage: string, template: string, input: string): Diagnostic {
  return errorAt('HG1708', at, { message: `stage "${stage}" gives template "${template}" no input "${input}"` });
}

export function templateInputUnknown(at: Place, template: string, input: string, known: readonly string[]): Diagnostic {
  return errorAt('HG1709', at, {
    message: `template "${template}" has no input "${input}"`,
    help: suggestion(input, known, 'inputs'),
  });
}

/** @param word `inputs` of a template, or `carry` of a loop. */
export function givenUnknown(at: Place, word: string, name: string, known: readonly string[]): Diagnostic {
  const help = known.length === 0 ? `nothing is declared under "${word}"` : suggestion(name, known, `names in ${word}`);
  return errorAt('HG1710', at, { message: `there is no ${word}.${name} here`, help });
}

export function givenIsNoSingle(at: Place, text: string): Diagnostic {
  return errorAt('HG1711', at, {
    message: `${text} is a join or a collection, which can stand only for a whole input`,
    help: 'put a stage of kind select before it',
  });
}

export function loopLacks(at: Place, stage: string, field: string): Diagnostic {
  return errorAt('HG1712', at, { message: `loop "${stage}" needs "${field}"` });
}

export function iterationsOutOfRange(at: Place, found: string): Diagnostic {
  return errorAt('HG1713', at, { message: `"maxIterations" must be a whole number from 1 to 100, not ${found}` });
}

export function loopOutputTwice(at: Place, name: string): Diagnostic {
  return errorAt('HG1714', at, {
    message: `the loop gives "${name}" already: under "carry"`,
    help: 'what goes round is an output of the loop by itself',
  });
}

export function bestOfSets(at: Place, loop: string): Diagnostic {
  return errorAt('HG1718', at, {
    message: `the best iteration has the best primary metric, and loop "${loop}" is judged on several evaluation sets`,
    help: 'use "last", "stop" or "fail", or judge on one set',
  });
}

export function tooManyStages(at: Place, most: number): Diagnostic {
  return errorAt('HG1715', at, {
    message: `with this one the workflow has more than ${most.toLocaleString('en')} stages`,
    help: 'templates, loops and forEach multiply; look for one inside another',
  });
}

export function notAGroup(at: Place, stage: string, kind: string): Diagnostic {
  return errorAt('HG1716', at, {
    message: `stage "${stage}" is of kind ${kind}; nothing is inside it`,
    help: 'a path like outer/inner leads into stages of kind template and loop',
  });
}

export function groupWithoutOutputs(at: Place, stage: string): Diagnostic {
  return errorAt('HG1717', at, {
    message: `"${stage}" has no outputs whose end one could wait for`,
    help: `name a stage inside it: ${stage}/inner`,
  });
}

/** @param chain the files that include each other, the first one repeated at the end. */
export function includeCycle(at: Place, chain: readonly string[]): Diagnostic {
  return errorAt('HG1721', at, { message: `these files include each other: ${chain.join(' → ')}` });
}

export function includeUnreadable(at: Place, path: string, reason: string): Diagnostic {
  return errorAt('HG1722', at, { message: `"${path}" cannot be included: ${reason}` });
}

export function includeOutside(at: Place, path: string): Diagnostic {
  return errorAt('HG1723', at, {
    message: `"${path}" leads out of the root`,
    help: 'included files must be inside the root folder (see --root)',
  });
}

export function tooManyIncludes(at: Place, most: number): Diagnostic {
  return errorAt('HG1724', at, { message: `more than ${most} files are included` });
}

export function declaredTwice(at: Place, what: string, name: string, before: Place): Diagnostic {
  return errorAt('HG1725', at, {
    message: `${what} "${name}" is declared already`,
    help: `the other one: ${placeText(before)}`,
  });
}

export function schemaOfParamsInvalid(at: Place, problem: string): Diagnostic {
  return errorAt('HG1726', at, { message: `"paramsSchema" is no JSON Schema: ${problem}` });
}

export function keyOfItemMissing(at: Place): Diagnostic {
  return errorAt('HG1727', at, {
    message: 'an item of forEach that is an object needs a "key"',
    help: 'for example {"key": "small", "width": 8}',
  });
}

export function badItemKey(at: Place, key: string): Diagnostic {
  return errorAt('HG1728', at, {
    message: `"${key}" cannot be the key of an instance`,
    help: 'letters, digits, "_", "-" and "." in it, a letter or digit first',
  });
}

export function excludedNothing(at: Place, text: string): Diagnostic {
  return errorAt('HG1729', at, { message: `no combination of the matrix is ${text}` });
}
