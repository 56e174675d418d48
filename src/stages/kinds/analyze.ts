// `analyze`: which layers quantisation hurts. A report for people; nothing downstream depends on its numbers.
import schema from '../../../schemas/stages/analyze.schema.json' with { type: 'json' };
import { jsonModule } from '../../support/json-module.ts';
import {
  checkpoint,
  input,
  modelPort,
  needsProfile,
  needsTask,
  profileSettings,
  reportPort,
  taskSettings,
} from '../port-types.ts';
import type { StageKind } from '../stage-kind.ts';

export const analyze: StageKind = {
  kind: 'analyze',
  summary: 'finds the layers that quantisation hurts',
  settingsSchema: jsonModule(schema),
  runsOn: 'embedded',
  check: (context) => [...needsTask(context, 'analyze'), ...needsProfile(context, 'analyze')],
  ports: ({ settings, task }) => {
    const split = settings['split'] === 'calibration' || settings['split'] === 'train' ? settings['split'] : 'gate';
    return {
      inputs: [
        modelPort,
        input('backbone', checkpoint('backbone'), 'the backbone'),
        input('head', checkpoint('head'), 'the head that measures'),
      ],
      outputs: [reportPort],
      data: [{ port: `data[${split}]`, task: task?.name ?? '', split }],
    };
  },
  jobSettings: (context) => {
    const { scope, images, batch } = context.settings;
    return {
      scope: scope ?? null,
      profile: profileSettings(context),
      images: images ?? null,
      batch: batch ?? null,
      ...(context.task === undefined ? {} : { task: taskSettings(context.task) }),
    };
  },
};
