// What tasks say against the models and data sets that their stages read, as far as those are known before anything runs: heads,
// targets and their kinds, numbers of classes. A description of the user's own data is read by `check-descriptions.ts`.
import { headNotInModel, targetOfOtherKind, targetNotInData } from '../diagnostics/catalogue/tasks.ts';
import { needsOf, type DataOutline } from '../stages/data-outline.ts';
import { classProblems, idleTops, type ClassProblem } from '../stages/class-counts.ts';
import { headOfTask } from '../stages/port-types.ts';
import type { HeadOutline, KnownData, Producers } from '../stages/stage-kind.ts';
import { metricsOf } from '../stages/task-metrics.ts';
import { jsonText, type Json } from '../support/json.ts';
import type { Conditions } from './conditions.ts';
import type { PlannedTask, Problems } from './instance.ts';
import type { LinkedStage } from './linked-stage.ts';
import { doubts, placeIn, refusals } from './task-places.ts';
import { ProducerTrace } from './trace-producers.ts';

/** A task whose data are described in a file. */
export interface DescribedUse {
  readonly task: PlannedTask;
  /** The stage that makes the data. */
  readonly made: string;
  readonly data: Extract<KnownData, { readonly folder: string }>;
}

/**
 * @param warnings of what can be measured, and says nothing.
 * @returns the uses of data that a file describes.
 */
export function checkTasks(
  order: readonly LinkedStage[],
  conditions: Conditions,
  tasks: ReadonlyMap<string, PlannedTask>,
  problems: Problems,
  warnings: Problems,
): readonly DescribedUse[] {
  const trace = new ProducerTrace(order, conditions);
  const described = new Map<string, DescribedUse>();
  for (const task of tasks.values()) warnings.push(...countDoubts(task, task.settings['classes']));
  // Splits of one stage have the same targets: what is wrong with one is wrong with all, and told once.
  const seen = new Set<string>();
  for (const { instance } of order) {
    if (conditions.pruned.has(instance)) continue;
    const producers = trace.producersOf(instance);
    const own = tasks.get(instance.task ?? '');
    if (own !== undefined) checkHead(own, producers, problems, warnings);
    for (const { port, task: name } of instance.ports.data ?? []) {
      const task = tasks.get(name);
      if (task === undefined) continue;
      for (const {
        name: output,
        output: { name: split, data },
      } of producers.of({ port })) {
        if (data === undefined) continue;
        const made = output.slice(0, -split.length - 1);
        if ('folder' in data) described.set([name, made, data.split].join('\n'), { task, made, data });
        else if (!seen.has(`${name}\n${made}`)) {
          problems.push(...targetProblems(task, data.targets, made));
          warnings.push(...targetDoubts(task, data.targets));
        }
        seen.add(`${name}\n${made}`);
      }
    }
  }
  return [...described.values()];
}

function checkHead(task: PlannedTask, producers: Producers, problems: Problems, warnings: Problems): void {
  const name = headOfTask(task);
  for (const { name: made, heads } of modelsOf(producers)) {
    if (heads === undefined) continue;
    const own = heads.find((head) => head.name === name);
    if (own === undefined) {
      const at = task.settings['head'] === undefined ? task.nameAt : placeIn(task, ['head']);
      const known = heads.map((head) => head.name);
      problems.push(headNotInModel(at, task.name, name, made, known));
    } else if (own.classes !== undefined) {
      const source = `head "${name}" of ${made}`;
      problems.push(
        ...refusals(task, [
          ...otherCount(task, own.classes, source),
          ...classProblems(task.settings, own.classes, source),
        ]),
      );
      warnings.push(...countDoubts(task, own.classes));
    }
  }
}

interface Model {
  readonly name: string;
  /** All of them; undefined where some are not known. */
  readonly heads: readonly HeadOutline[] | undefined;
}

/** Every model that may arrive, with the heads that were added on the way. */
function modelsOf(producers: Producers, depth = 0): readonly Model[] {
  if (depth > DEEPEST) return [];
  return producers.of({ port: 'model' }).flatMap(({ name, output: { heads }, inputs }): readonly Model[] => {
    const earlier = modelsOf(inputs, depth + 1);
    if (earlier.length === 0) return [{ name, heads }];
    return earlier.map((before) => ({
      name,
      heads: heads === undefined || before.heads === undefined ? undefined : [...before.heads, ...heads],
    }));
  });
}

/** Stages that each add a head, one behind the other. */
const DEEPEST = 20;

/** What a task and a data set say against each other. @param made names the stage that makes the data, or its description. */
export function targetProblems(task: PlannedTask, targets: DataOutline, made: string): Problems {
  const { settings } = task;
  const { target } = settings;
  if (typeof target !== 'string') return [];
  const found = targets.get(target);
  if (found === undefined)
    return [targetNotInData(placeIn(task, ['target']), task.name, target, made, [...targets.keys()])];
  const source = `target "${target}" of ${made}`;
  const other = needsOf(settings).filter(({ kinds }) => !kinds.includes(found.kind));
  return [
    ...other.map(({ path, what, kinds }) =>
      targetOfOtherKind(placeIn(task, path), what, source, found.kind, kinds, fitting(targets, kinds)),
    ),
    ...(other.length > 0 || found.kind === 'values'
      ? []
      : refusals(task, [
          ...otherCount(task, found.classes, source),
          ...classProblems(settings, found.classes, source),
        ])),
  ];
}

/** What a data set shows to say nothing: told once, whoever else knows how many classes there are. */
export function targetDoubts(task: PlannedTask, targets: DataOutline): Problems {
  const found = targets.get(jsonText(task.settings['target']));
  return found === undefined || found.kind === 'values' ? [] : countDoubts(task, found.classes);
}

function countDoubts(task: PlannedTask, classes: Json | undefined): Problems {
  return typeof classes === 'number' ? doubts(task, idleTops(task.settings, classes)) : [];
}

function fitting(targets: DataOutline, kinds: readonly string[]): readonly string[] {
  return [...targets].flatMap(([name, { kind }]) => (kinds.includes(kind) ? [name] : []));
}

/** The task says itself how many classes there are, and another number. */
function otherCount({ settings }: PlannedTask, classes: number, source: string): readonly ClassProblem[] {
  const own = settings['classes'];
  if (own === undefined || own === classes || metricsOf(settings) === undefined) return [];
  const message = `the task has ${jsonText(own)} classes, ${source} has ${classes}`;
  return [{ path: ['classes'], message, help: `write ${classes}, or leave "classes" out` }];
}
