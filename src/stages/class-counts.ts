// What a task says about classes against how many there are: weights of a loss, top k of a metric. How many there are is said by
// the task, by the head of a model, or by the data set; whoever knows asks here.
import { isJsonObject } from '../support/json.ts';
import type { Json, JsonObject } from '../support/json.ts';

export interface ClassProblem {
  /** The place in the task. */
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly help: string;
}

/** @param source who says so: `the task`, `head "a" of net`. */
export function classProblems(task: JsonObject, classes: number, source: string): readonly ClassProblem[] {
  return [...weightProblems(task, classes, source), ...topProblems(task, classes, source)];
}

function weightProblems({ loss }: JsonObject, classes: number, source: string): readonly ClassProblem[] {
  if (!isJsonObject(loss)) return [];
  return (['classWeights', 'positiveWeights'] as const).flatMap((name) => {
    const { [name]: weights } = loss;
    if (!Array.isArray(weights) || weights.length === classes) return [];
    const one = name === 'positiveWeights';
    if (one && weights.length === 1) return [];
    const message = `${weights.length} "${name}" for ${classes} classes, as ${source} says`;
    return [{ path: ['loss', name], message, help: `give one for each class${one ? ', or one for all' : ''}` }];
  });
}

function topProblems({ metric }: JsonObject, classes: number, source: string): readonly ClassProblem[] {
  const topK: Json = isJsonObject(metric) ? (metric['topK'] ?? null) : null;
  return (Array.isArray(topK) ? (topK as readonly Json[]) : []).flatMap((k, index) =>
    typeof k === 'number' && k > classes
      ? [
          {
            path: ['metric', 'topK', index],
            message: `there is no top ${k} of ${classes} classes, as ${source} says`,
            help: `leave it out, or give a number below ${classes}`,
          },
        ]
      : [],
  );
}

/** What can be measured and says nothing: among as many guesses as there are classes is always the right one. */
export function idleTops({ metric }: JsonObject, classes: number): readonly ClassProblem[] {
  const topK: Json = isJsonObject(metric) ? (metric['topK'] ?? null) : null;
  return (Array.isArray(topK) ? (topK as readonly Json[]) : []).flatMap((k, index) =>
    k === classes
      ? [
          {
            path: ['metric', 'topK', index],
            message: `top ${k} of ${classes} classes holds for every image`,
            help: classes > 1 ? `leave it out, or give a number below ${classes}` : 'leave it out',
          },
        ]
      : [],
  );
}

/** Weights that leave nothing to learn from: of nothing but zeros the weighted mean is 0/0. */
export function idleWeights({ loss }: JsonObject): readonly ClassProblem[] {
  if (!isJsonObject(loss)) return [];
  return (['classWeights', 'positiveWeights'] as const).flatMap((name) => {
    const { [name]: weights } = loss;
    if (!Array.isArray(weights) || weights.some((weight) => weight !== 0)) return [];
    return [
      {
        path: ['loss', name],
        message: `"${name}" are all 0: nothing is learned`,
        help: 'give the classes that count a weight above 0',
      },
    ];
  });
}
