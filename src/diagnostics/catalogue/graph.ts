// HG15xx: the plan as a whole — cycles, files that are not there, nothing to run. One constructor per problem.
import { errorAt, warningAt } from '../diagnostic.ts';
import type { Diagnostic } from '../diagnostic.ts';
import { placeText } from '../source.ts';
import type { Place } from '../source.ts';

/** `stages` in the order of the data, the first one repeated at the end; `links[i]` is where stage i + 1 names stage i. */
export function stagesInCycle(stages: readonly string[], links: readonly Place[]): Diagnostic {
  const at = links.at(-1);
  if (at === undefined) throw new Error('a cycle has at least one link');
  const lines = links.map((link, index) => `${stages[index + 1]} needs ${stages[index]} (${placeText(link)})`);
  return errorAt('HG1501', at, {
    message: `these stages wait for each other: ${stages.join(' → ')}`,
    help: lines.join('\n'),
  });
}

/** @param others stages that name it too, elsewhere. */
export function fileMissing(at: Place, path: string, stage: string, others: number): Diagnostic {
  const readers = others === 0 ? 'reads' : `and ${others} more read`;
  return errorAt('HG1502', at, {
    message: `there is no "${path}", which stage "${stage}" ${readers}`,
    help: "paths are relative to the workflow's root",
  });
}

export function tooManyImports(at: Place, stage: string, most: number): Diagnostic {
  return errorAt('HG1504', at, {
    message: `the scripts of stage "${stage}" import more than ${most} files of the project`,
    help: 'a folder of dependencies is called node_modules or site-packages, or lies outside the root',
  });
}

/** @param isCommand whether the stages are commands, which are given no seed of themselves. */
export function equalReplicates(at: Place, stages: readonly string[], isCommand: boolean): Diagnostic {
  const shown = stages.length > 5 ? [...stages.slice(0, 5), `${stages.length - 5} more`] : stages;
  const way = isCommand
    ? 'give each what tells it apart: {"$key": true} or {"$each": "seed"} among its "argv"'
    : 'give each its own "seed", such as {"$each": "seed"}';
  return warningAt('HG1505', at, {
    message: `${shown.join(', ')} are the same work: it is done once, and all of them share what it gives`,
    help: `if they are to be several samples, ${way}`,
  });
}

export function outputLeftOut(at: Place, name: string, stage: string): Diagnostic {
  return errorAt('HG1506', at, {
    message: `the output "${name}" is to come from stage "${stage}", which its "enabled" leaves out`,
    help: 'name an output of a stage that is always there, such as a select stage where branches meet',
  });
}

export function outputNamesMeet(at: Place, name: string, other: string): Diagnostic {
  return errorAt('HG1507', at, {
    message: `the outputs "${name}" and "${other}" may become one file: a name without a dot gets the extension of its output`,
    help: 'give both names an extension, or names that begin differently',
  });
}

export function nothingToRun(at: Place): Diagnostic {
  return errorAt('HG1503', at, { message: 'no stage is left to run', help: 'every one is left out by its "enabled"' });
}
