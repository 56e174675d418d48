// `train`: trains float scopes; a scope that is not listed comes in and is frozen.
import schema from '../../../schemas/stages/train.schema.json' with { type: 'json' };
import { isJsonObject } from '../../support/json.ts';
import type { JsonObject } from '../../support/json.ts';
import { jsonModule } from '../../support/json-module.ts';
import {
  checkpoint,
  headHeld,
  input,
  lossFiles,
  modelPort,
  needLosses,
  needsTask,
  reportPort,
  scopesIn,
  sortedScopes,
  taskSettings,
  trainData,
} from '../port-types.ts';
import type { Finding, Ports, ResolvedTask, StageContext, StageKind } from '../stage-kind.ts';
import { checkValidation, gateData } from '../training-validation.ts';
import { HEAD, otherHead } from '../wrong-orders.ts';

const scopes = ['backbone', 'head'] as const;

export const train: StageKind = {
  kind: 'train',
  summary: 'trains float scopes',
  settingsSchema: jsonModule(schema),
  runsOn: 'embedded',
  seeded: true,
  check: (context) =>
    together(context)
      ? [...checkTogether(context), ...needLosses(tasksOf(context)), ...checkValidation(context, tasksOf(context))]
      : [...needsTask(context, 'train'), ...needLosses(own(context)), ...checkValidation(context, own(context))],
  checkInputs: (context, producers) =>
    together(context)
      ? tasksOf(context).flatMap((task) => otherHead(producers, { port: 'heads', key: task.name }, task))
      : otherHead(producers, HEAD, context.task),
  ports: (context) => {
    if (together(context)) return portsTogether(context);
    const { settings, task } = context;
    const trained = scopesIn(settings, 'train');
    return {
      inputs: [
        modelPort,
        ...scopes.map((scope) =>
          trained.includes(scope)
            ? input(scope, checkpoint(scope, ['float']), `weights to start from instead of the model's own`, 'optional')
            : input(scope, checkpoint(scope, ['float']), `the frozen ${scope}`),
        ),
      ],
      outputs: [
        ...scopes
          .filter((scope) => trained.includes(scope))
          .map((scope) => ({
            name: scope,
            type: checkpoint(scope, ['float']),
            help: `the trained ${scope}`,
            ...(scope === 'head' ? { holds: headHeld(task) } : {}),
          })),
        reportPort,
      ],
      data: [
        { port: 'data[train]', task: task?.name ?? '', split: 'train' as const },
        ...gateData(context, own(context)),
      ],
    };
  },
  files: (context) => lossFiles(together(context) ? tasksOf(context) : own(context)),
  jobSettings: (context) => {
    const { settings, task } = context;
    return {
      train: sortedScopes(settings, 'train'),
      training: settings['training'] ?? {},
      ...(together(context)
        ? { tasks: tasksOf(context).map(taskSettings), weights: weightsOf(context) }
        : task === undefined
          ? {}
          : { task: taskSettings(task) }),
    };
  },
};

/** The stage's task, where it trains one head. */
function own({ task }: StageContext): readonly ResolvedTask[] {
  return task === undefined ? [] : [task];
}

/** Whether all heads are trained in one step. */
function together({ settings }: StageContext): boolean {
  return scopesIn(settings, 'train').includes('heads');
}

function checkTogether(context: StageContext): readonly Finding[] {
  const known = context.tasks.map(({ name }) => name);
  const weights = isJsonObject(context.settings['tasks']) ? context.settings['tasks'] : {};
  return [
    ...Object.keys(weights)
      .filter((name) => !known.includes(name))
      .map((name) => ({
        path: ['tasks', name],
        message: `task "${name}" is not declared`,
        help: `tasks: ${known.join(', ')}`,
      })),
    ...(scopesIn(context.settings, 'train').includes('head')
      ? [{ path: ['train'], message: '"heads" already trains every head', help: 'leave "head" out' }]
      : []),
  ];
}

function weightsOf(context: StageContext): JsonObject {
  const { tasks } = context.settings;
  return isJsonObject(tasks) ? tasks : Object.fromEntries(context.tasks.map(({ name }) => [name, 1]));
}

function tasksOf(context: StageContext): readonly ResolvedTask[] {
  return context.tasks.filter(({ name }) => Object.hasOwn(weightsOf(context), name));
}

function portsTogether(context: StageContext): Ports {
  const float = (scope: 'backbone' | 'head') => checkpoint(scope, ['float']);
  const tasks = tasksOf(context);
  const keys = tasks.map(({ name }) => name);
  const backbone = scopesIn(context.settings, 'train').includes('backbone');
  const starts = context.given.includes('heads')
    ? [{ ...input('heads', float('head'), "weights to start from instead of the model's own", 'collect'), keys }]
    : [];
  return {
    inputs: [
      modelPort,
      backbone
        ? input('backbone', float('backbone'), "weights to start from instead of the model's own", 'optional')
        : input('backbone', float('backbone'), 'the frozen backbone'),
      ...starts,
    ],
    outputs: [
      ...(backbone ? [{ name: 'backbone', type: float('backbone'), help: 'the trained backbone' }] : []),
      ...tasks.map((task) => ({
        name: `head[${task.name}]`,
        type: float('head'),
        help: `the trained head of task "${task.name}"`,
        holds: headHeld(task),
      })),
      reportPort,
    ],
    data: [...trainData(keys, context), ...gateData(context, tasks)],
  };
}
