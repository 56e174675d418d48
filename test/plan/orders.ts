// Workflows of a few quantising stages behind an imported network, for tests of the order they stand in.
import { tasks, tryPlan } from './plan-of.ts';

export const training = { epochs: 1, learningRate: 0.001 };
export const scenes = {
  kind: 'dataset',
  with: { source: { kind: 'fashion-scenes', counts: { train: 8, gate: 8, calibration: 8 } } },
};
export const imported = {
  kind: 'import',
  with: {
    onnx: 'm.onnx',
    boundary: ['b'],
    heads: { detection: { outputs: ['d'] }, segmentation: { outputs: ['s'] } },
  },
};

export function stage(kind: string, inputs: object, settings: object, more: object = {}): object {
  return { kind, task: 'detection', inputs, with: settings, ...more };
}

export const calibrated = (inputs: object = {}, settings: object = {}): object =>
  stage('calibrate', { backbone: 'imported.backbone', ...inputs }, { scope: 'backbone', ...settings });
export const trained = (backbone: string, settings: object = {}, more: object = {}): object =>
  stage(
    'qat',
    { backbone, heads: { collect: { detection: 'imported.head[detection]' } } },
    {
      scope: 'backbone',
      training,
      ...settings,
    },
    more,
  );
export const head = (backbone: string, inputs: object = {}, settings: object = {}): object =>
  stage('calibrate', { backbone, head: 'imported.head', ...inputs }, { scope: 'head', ...settings });
export const trainedHead = (backbone: string, from: string, settings: object = {}): object =>
  stage('qat', { backbone, head: from }, { scope: 'head', training, ...settings });
export const measured = (backbone: string, of: string): object =>
  stage('validate', { backbone, head: of }, { quantized: ['backbone', 'head'] });
export const gate = (metrics: string, more: object = {}): object => ({
  kind: 'gate',
  inputs: { metrics },
  cases: [
    { name: 'pass', criteria: [{ metric: 'primary', atLeast: 0.5 }] },
    { name: 'more', else: true },
  ],
  ...more,
});
export const accuracy = stage(
  'validate',
  { backbone: 'backbone.backbone', head: 'imported.head' },
  { quantized: ['backbone'] },
);
export const chosen = (pass: string, more: string): object => ({
  oneOf: [
    { when: 'gate:pass', from: pass },
    { when: 'gate:more', from: more },
  ],
});

/** `code stage`, the reference or setting it is told at, and what is said. */
export function found(stages: object, more: object = {}): readonly string[] {
  const plan = tryPlan({
    name: 'orders',
    params: { profile: 'w8a8' },
    profiles: {
      w8a8: { weights: { bits: 8 }, activations: { bits: 8 } },
      w4a8: { weights: { bits: 4 }, activations: { bits: 8 } },
      named: { weights: { bits: 8 }, activations: { bits: 8 }, onLow: 'stop', summary: 'the same format' },
    },
    model: { from: 'imported.model' },
    tasks,
    ...more,
    stages: { scenes, imported, backbone: calibrated(), ...stages },
  });
  if (plan.ok) return [];
  return plan.error.map(({ code, message, lineText, column, length }) => {
    const at = lineText.slice(column - 1, column - 1 + length);
    return `${code} ${/\(stage "(.*)"\)$/.exec(message)?.[1] ?? message} at ${at}`;
  });
}
