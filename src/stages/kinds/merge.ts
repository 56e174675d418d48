// `merge`: one backbone, stored and executed once, with all quantised heads.
import schema from '../../../schemas/stages/merge.schema.json' with { type: 'json' };
import { jsonModule } from '../../support/json-module.ts';
import { checkpoint, input, modelPort, quantizedStates, reportPort, taskSettings } from '../port-types.ts';
import type { StageKind } from '../stage-kind.ts';
import { otherBackbone, otherHead } from '../wrong-orders.ts';

export const merge: StageKind = {
  kind: 'merge',
  summary: 'puts one backbone and all heads into one model',
  settingsSchema: jsonModule(schema),
  runsOn: 'embedded',
  checkInputs: ({ tasks }, producers) =>
    tasks.flatMap((task) => {
      const head = { port: 'heads', key: task.name };
      const other = otherHead(producers, head, task);
      return other.length > 0 ? other : otherBackbone(producers, head, 'merged');
    }),
  ports: ({ tasks }) => ({
    inputs: [
      modelPort,
      input('backbone', checkpoint('backbone', quantizedStates), 'the backbone with its scales'),
      {
        ...input('heads', checkpoint('head', quantizedStates), 'the heads with their scales', 'collect'),
        keys: tasks.map((task) => task.name),
      },
      input('release', { artifact: 'merged' }, 'a released model that this one must hold unchanged', 'optional'),
    ],
    outputs: [{ name: 'merged', type: { artifact: 'merged' }, help: 'the merged model' }, reportPort],
    data: tasks.map((task) => ({ port: `data[${task.name}.gate]`, task: task.name, split: 'gate' as const })),
  }),
  jobSettings: ({ settings, tasks }) => ({
    batch: settings['batch'] ?? null,
    probe: settings['probe'] ?? null,
    tasks: tasks.map(taskSettings),
  }),
};
