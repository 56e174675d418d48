// `analyze`: which layers quantisation hurts, for people; and where asked for, a profile with exceptions for them within a
// budget, for the stages that quantise.
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
import { HEAD, otherHead } from '../wrong-orders.ts';

export const analyze: StageKind = {
  kind: 'analyze',
  summary: 'finds the layers that quantisation hurts',
  settingsSchema: jsonModule(schema),
  runsOn: 'embedded',
  check: (context) => [...needsTask(context, 'analyze'), ...needsProfile(context, 'analyze')],
  checkInputs: ({ task }, producers) => otherHead(producers, HEAD, task),
  ports: ({ settings, task }) => {
    const split = settings['split'] === 'calibration' || settings['split'] === 'train' ? settings['split'] : 'gate';
    return {
      inputs: [
        modelPort,
        input('backbone', checkpoint('backbone'), 'the backbone'),
        input('head', checkpoint('head'), 'the head that measures'),
        { ...input('heads', checkpoint('head'), 'further heads whose outputs count', 'optional'), named: true },
      ],
      outputs: [
        reportPort,
        { name: 'text', type: { artifact: 'file' }, help: 'the report as a table in plain text' },
        { name: 'plots', type: { artifact: 'file' }, help: 'ranges per channel, drawn, as a page of HTML' },
        ...(settings['recommend'] === undefined
          ? []
          : [{ name: 'profile', type: { artifact: 'profile' as const }, help: 'the recommended profile' }]),
      ],
      data: [{ port: `data[${split}]`, task: task?.name ?? '', split }],
    };
  },
  jobSettings: (context) => {
    const { scope, images, batch, observer, recommend } = context.settings;
    return {
      scope: scope ?? null,
      profile: profileSettings(context),
      images: images ?? null,
      batch: batch ?? null,
      observer: observer ?? null,
      ...(recommend === undefined ? {} : { recommend }),
      ...(context.task === undefined ? {} : { task: taskSettings(context.task) }),
    };
  },
};
