// `export`: QDQ ONNX, the table of scales, and hand-over forms for vendors' compilers.
import schema from '../../../schemas/stages/export.schema.json' with { type: 'json' };
import { jsonModule } from '../../support/json-module.ts';
import { input, reportPort, taskSettings } from '../port-types.ts';
import { isJsonObject, jsonText, type JsonObject } from '../../support/json.ts';
import type { ArrivalFinding, Finding, OutputPort, Producers, StageContext, StageKind } from '../stage-kind.ts';
import { targetOf } from '../target-formats.ts';
import { BACKBONE } from '../wrong-orders.ts';

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
  checkInputs: exportsOf,
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

/** What a form or an opset cannot express of the formats that the merged scopes were calibrated in. */
function exportsOf({ settings }: StageContext, producers: Producers): readonly ArrivalFinding[] {
  for (const arriving of producers.of({ port: 'merged' })) {
    for (const { context, inputs } of arriving.inputs.of(BACKBONE)) {
      // A profile that an analysis makes is known when it has run.
      if (context.profile === undefined || inputs.of({ port: 'profile' }).length > 0) continue;
      const found = exportProblem(settings, context.profile);
      if (found !== undefined) return [{ arriving, ...found }];
    }
  }
  return [];
}

function exportProblem(settings: JsonObject, profile: JsonObject): Finding | undefined {
  const target = targetOf(profile);
  if (formsOf(settings).includes('tensorrt') && target !== 'tensorrt')
    return {
      path: ['forms'],
      message: `the form "tensorrt" needs quantisers where TensorRT expects them, and the model is quantised for ${target}`,
      help: 'use a profile with "target": "tensorrt", or leave the form out',
    };
  if (profile['rounding'] === 'inverse-multiply')
    return {
      path: [],
      message: 'the model is quantised with "rounding": "inverse-multiply", which QuantizeLinear cannot express',
      help: 'leave "rounding" out of the profile; it is for comparison with a PyTorch model',
    };
  const bits = ['weights', 'activations'].map((part) => (isJsonObject(profile[part]) ? profile[part]['bits'] : 8));
  if (settings['opset'] === 20 && bits.some((one) => one !== 8))
    return {
      path: ['opset'],
      message: `types of ${jsonText(bits.find((one) => one !== 8) ?? 8)} bits need opset 21`,
      help: 'leave "opset" out',
    };
  return undefined;
}

function formsOf(settings: JsonObject): readonly (keyof typeof formHelp)[] {
  const forms = settings['forms'];
  return Array.isArray(forms) ? (forms as readonly (keyof typeof formHelp)[]) : [];
}
