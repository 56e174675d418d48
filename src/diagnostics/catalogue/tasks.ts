// HG18xx: tasks and profiles against models, data sets and targets, as far as these are known. One constructor per problem.
import { errorAt, warningAt, warningInFile } from '../diagnostic.ts';
import type { Diagnostic } from '../diagnostic.ts';
import type { Place } from '../source.ts';
import { listed, suggestion } from '../suggest.ts';

export function headNotInModel(
  at: Place,
  task: string,
  head: string,
  model: string,
  known: readonly string[],
): Diagnostic {
  return errorAt('HG1801', at, {
    message: `task "${task}" has no head "${head}" in the model ${model}`,
    help: `${suggestion(head, known, 'its heads')} (the task names its head with "head")`,
  });
}

export function targetNotInData(
  at: Place,
  task: string,
  target: string,
  data: string,
  known: readonly string[],
): Diagnostic {
  return errorAt('HG1802', at, {
    message: `task "${task}" learns target "${target}", which the data set of ${data} does not have`,
    help: suggestion(target, known, 'its targets'),
  });
}

export function targetOfOtherKind(
  at: Place,
  what: string,
  source: string,
  kind: string,
  needed: readonly string[],
  fitting: readonly string[],
): Diagnostic {
  return errorAt('HG1803', at, {
    message: `${what} compares with a target of kind ${needed.join(' or ')}, and ${source} is of kind ${kind}`,
    help: fitting.length === 0 ? 'choose another kind, or another target' : `targets of that kind: ${listed(fitting)}`,
  });
}

export function taskRefused(at: Place, task: string, message: string, help: string): Diagnostic {
  return errorAt('HG1804', at, { message: `task "${task}": ${message}`, help });
}

export function taskUnlikely(at: Place, task: string, message: string, help: string): Diagnostic {
  return warningAt('HG1808', at, { message: `task "${task}": ${message}`, help });
}

export function formatNotInTarget(at: Place, profile: string, message: string, help: string): Diagnostic {
  return errorAt('HG1805', at, { message: `profile "${profile}": ${message}`, help });
}

export function splitNotDescribed(
  at: Place,
  stage: string,
  split: string,
  description: string,
  known: readonly string[],
): Diagnostic {
  return errorAt('HG1806', at, {
    message: `${stage} is made from the split "${split}", which ${description} does not describe`,
    help: suggestion(split, known, 'its splits'),
  });
}

export function normalisationUnlikely(file: string, why: string, help: string): Diagnostic {
  return warningInFile('HG1807', file, { message: `the normalisation is hardly meant so: ${why}`, help });
}
