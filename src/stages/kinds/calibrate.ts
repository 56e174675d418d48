// `calibrate`: observes activations and sets the scales of one scope; a head is calibrated on the frozen, fake-quantised
// backbone.
import schema from '../../../schemas/stages/calibrate.schema.json' with { type: 'json' };
import { jsonModule } from '../../support/json-module.ts';
import {
  checkpoint,
  freezesTheOther,
  input,
  modelPort,
  needsProfile,
  needsTask,
  profileSettings,
  quantizedStates,
  reportPort,
  taskSettings,
} from '../port-types.ts';
import type { StageKind } from '../stage-kind.ts';

export const calibrate: StageKind = {
  kind: 'calibrate',
  summary: 'observes activations and sets scales',
  settingsSchema: jsonModule(schema),
  runsOn: 'embedded',
  check: (context) => [
    ...needsTask(context, 'calibrate'),
    ...needsProfile(context, 'calibrate'),
    ...freezesTheOther(context.settings),
  ],
  ports: ({ settings, task }) => {
    const scope = settings['scope'] === 'head' ? 'head' : 'backbone';
    return {
      inputs:
        scope === 'backbone'
          ? [modelPort, input('backbone', checkpoint('backbone', ['float']), 'the float backbone')]
          : [
              modelPort,
              input('backbone', checkpoint('backbone', quantizedStates), 'the frozen backbone with its scales'),
              input('head', checkpoint('head', ['float']), 'the float head'),
            ],
      outputs: [
        { name: scope, type: checkpoint(scope, ['calibrated']), help: `the ${scope} with its scales` },
        reportPort,
      ],
      data: [{ port: 'data[calibration]', task: task?.name ?? '', split: 'calibration' }],
    };
  },
  jobSettings: (context) => {
    const { scope, observer, batches, batch } = context.settings;
    return {
      scope: scope ?? null,
      profile: profileSettings(context),
      observer: observer ?? null,
      batches: batches ?? null,
      batch: batch ?? null,
      ...(context.task === undefined ? {} : { task: taskSettings(context.task) }),
    };
  },
};
