// `finetune`: trains a float head on the features of the frozen, fake-quantised backbone until it has adapted.
import schema from '../../../schemas/stages/finetune.schema.json' with { type: 'json' };
import { jsonModule } from '../../support/json-module.ts';
import {
  checkpoint,
  headHeld,
  input,
  lossFiles,
  modelPort,
  needLosses,
  needsTask,
  quantizedStates,
  reportPort,
  taskSettings,
} from '../port-types.ts';
import type { StageKind } from '../stage-kind.ts';
import { checkValidation, gateData } from '../training-validation.ts';
import { HEAD, otherHead } from '../wrong-orders.ts';

export const finetune: StageKind = {
  kind: 'finetune',
  summary: 'trains a float head on the quantised backbone',
  settingsSchema: jsonModule(schema),
  runsOn: 'embedded',
  seeded: true,
  check: (context) => [
    ...needsTask(context, 'finetune'),
    ...checkValidation(context, context.task === undefined ? [] : [context.task]),
    ...(context.task === undefined || Number(context.settings['distill'] ?? 0) > 0 ? [] : needLosses([context.task])),
  ],
  checkInputs: ({ task }, producers) => otherHead(producers, HEAD, task),
  ports: ({ task, ...context }) => ({
    inputs: [
      modelPort,
      input('backbone', checkpoint('backbone', quantizedStates), 'the frozen backbone with its scales'),
      input('head', checkpoint('head', ['float']), 'the float head to start from'),
    ],
    outputs: [
      { name: 'head', type: checkpoint('head', ['float']), help: 'the adapted float head', holds: headHeld(task) },
      reportPort,
    ],
    data: [
      { port: 'data[train]', task: task?.name ?? '', split: 'train' as const },
      ...gateData(context, task === undefined ? [] : [task]),
    ],
  }),
  files: ({ task }) => (task === undefined ? [] : lossFiles([task])),
  jobSettings: ({ settings, task }) => ({
    training: settings['training'] ?? {},
    distill: settings['distill'] ?? 0,
    ...(settings['distance'] === undefined ? {} : { distance: settings['distance'] }),
    ...(task === undefined ? {} : { task: taskSettings(task) }),
  }),
};
