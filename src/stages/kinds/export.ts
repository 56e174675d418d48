// `export`: QDQ ONNX, the table of scales, and hand-over forms for vendors' compilers.
import schema from '../../../schemas/stages/export.schema.json' with { type: 'json' };
import { jsonModule } from '../../support/json-module.ts';
import { input, reportPort, taskSettings } from '../port-types.ts';
import type { JsonObject } from '../../support/json.ts';
import type { OutputPort, StageKind } from '../stage-kind.ts';

const formHelp = {
  csv: 'the table of scales as CSV',
  encodings: 'the encodings file for the float model',
  float: 'the float ONNX file that encodings are for',
  tensorrt: 'the QDQ ONNX file for TensorRT',
} as const;

export const exportKind: StageKind = {
  kind: 'export',
  summary: 'writes the merged model as QDQ ONNX',
  settingsSchema: jsonModule(schema),
  runsOn: 'embedded',
  ports: ({ settings, tasks }) => ({
    inputs: [input('merged', { artifact: 'merged' }, 'the merged model')],
    outputs: [
      { name: 'onnx', type: { artifact: 'file' }, help: 'the QDQ ONNX file' },
      { name: 'scales', type: { artifact: 'file' }, help: 'the table of scales' },
      ...formsOf(settings).map((name): OutputPort => ({ name, type: { artifact: 'file' }, help: formHelp[name] })),
      reportPort,
    ],
    data: tasks.map((task) => ({ port: `data[${task.name}.gate]`, task: task.name, split: 'gate' as const })),
  }),
  jobSettings: ({ settings, tasks }) => ({
    batch: settings['batch'] ?? null,
    probe: settings['probe'] ?? null,
    opset: settings['opset'] ?? null,
    forms: [...formsOf(settings)].sort(),
    ...(formsOf(settings).includes('encodings') ? { encodings: settings['encodings'] ?? null } : {}),
    tasks: tasks.map(taskSettings),
  }),
};

function formsOf(settings: JsonObject): readonly (keyof typeof formHelp)[] {
  const forms = settings['forms'];
  return Array.isArray(forms) ? (forms as readonly (keyof typeof formHelp)[]) : [];
}
