// What a stage that trains needs where its training is validated on the gate split: the data, and a task whose metric can be
// measured while it trains.
import { isJsonObject } from '../support/json.ts';
import type { JsonObject } from '../support/json.ts';
import type { Finding, Ports, ResolvedTask, StageContext } from './stage-kind.ts';

const PATH = ['training', 'validation'] as const;

/** The gate data of the task that decides; none where nothing is validated, or where it is not known whose. */
export function gateData(context: StageContext, tasks: readonly ResolvedTask[]): NonNullable<Ports['data']> {
  const validation = validationOf(context);
  const task = validation === undefined ? undefined : decidingTask(validation, tasks);
  return task === undefined ? [] : [{ port: 'data[gate]', task: task.name, split: 'gate' }];
}

export function checkValidation(context: StageContext, tasks: readonly ResolvedTask[]): readonly Finding[] {
  const validation = validationOf(context);
  if (validation === undefined) return [];
  const names = tasks.map(({ name }) => name);
  const task = decidingTask(validation, tasks);
  if (task !== undefined) return checkMetric(task);
  const named = validation['task'];
  if (typeof named === 'string') {
    const message = `task "${named}" is not trained here`;
    return [{ path: [...PATH, 'task'], message, help: `tasks: ${names.join(', ')}` }];
  }
  if (names.length === 0) {
    const message = 'nothing can be validated without a task in the objective';
    return [{ path: PATH, message, help: 'give a task a weight above 0, or leave "validation" out' }];
  }
  const message = 'several tasks are trained: which one is validated?';
  return [{ path: PATH, message, help: `"task": one of ${names.join(', ')}` }];
}

function checkMetric({ name, settings: { metric } }: ResolvedTask): readonly Finding[] {
  if (!isJsonObject(metric) || metric['kind'] !== 'sqnr') return [];
  const message = `task "${name}" is measured against the float model, which a training does not hold`;
  return [{ path: PATH, message, help: 'leave "validation" out, and measure with a validate stage' }];
}

function decidingTask({ task }: JsonObject, tasks: readonly ResolvedTask[]): ResolvedTask | undefined {
  if (task === undefined) return tasks.length === 1 ? tasks[0] : undefined;
  return tasks.find(({ name }) => name === task);
}

function validationOf({ settings: { training } }: StageContext): JsonObject | undefined {
  const validation = isJsonObject(training) ? training['validation'] : undefined;
  return isJsonObject(validation) ? validation : undefined;
}
