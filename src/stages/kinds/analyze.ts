// `analyze`: which layers quantisation hurts, for people; and where asked for, a profile with exceptions for them within a
// budget, for the stages that quantise.
import schema from '../../../schemas/stages/analyze.schema.json' with { type: 'json' };
import { isJsonObject, jsonText, type Json } from '../../support/json.ts';
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
import type { Finding, StageContext, StageKind } from '../stage-kind.ts';
import { targetFormats, targetOf } from '../target-formats.ts';
import { HEAD, otherHead } from '../wrong-orders.ts';

export const analyze: StageKind = {
  kind: 'analyze',
  summary: 'finds the layers that quantisation hurts',
  settingsSchema: jsonModule(schema),
  runsOn: 'embedded',
  check: (context) => [...needsTask(context, 'analyze'), ...needsProfile(context, 'analyze'), ...checkFormats(context)],
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

/** Formats that the search may choose must be the target's. */
function checkFormats({ settings, profile }: StageContext): readonly Finding[] {
  const { recommend } = settings;
  const target = targetOf(profile ?? {});
  const formats = targetFormats[target];
  if (!isJsonObject(recommend) || formats === undefined) return [];
  return (['weights', 'activations'] as const).flatMap((part) => {
    const asked = recommend[part] ?? [16];
    const other = Array.isArray(asked)
      ? (asked as readonly Json[]).find((bits) => !formats[part].includes(Number(bits)))
      : undefined;
    if (other === undefined) return [];
    return [
      {
        path: recommend[part] === undefined ? ['recommend'] : ['recommend', part],
        message: `target ${target} has no ${jsonText(other)}-bit ${part}`,
        help: `write "${part}": []; a layer may have ${formats[part].join(', ')} bits`,
      },
    ];
  });
}
