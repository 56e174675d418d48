// `export`: QDQ ONNX and the table of scales.
import schema from '../../../schemas/stages/export.schema.json' with { type: 'json' };
import { jsonModule } from '../../support/json-module.ts';
import { input, reportPort, taskSettings } from '../port-types.ts';
import type { StageKind } from '../stage-kind.ts';

export const exportKind: StageKind = {
  kind: 'export',
  summary: 'writes the merged model as QDQ ONNX',
  settingsSchema: jsonModule(schema),
  runsOn: 'embedded',
  ports: ({ tasks }) => ({
    inputs: [input('merged', { artifact: 'merged' }, 'the merged model')],
    outputs: [
      { name: 'onnx', type: { artifact: 'file' }, help: 'the QDQ ONNX file' },
      { name: 'scales', type: { artifact: 'file' }, help: 'the table of scales' },
      reportPort,
    ],
    data: tasks.map((task) => ({ port: `data[${task.name}.gate]`, task: task.name, split: 'gate' as const })),
  }),
  jobSettings: ({ settings, tasks }) => ({
    batch: settings['batch'] ?? null,
    probe: settings['probe'] ?? null,
    opset: settings['opset'] ?? null,
    tasks: tasks.map(taskSettings),
  }),
};
