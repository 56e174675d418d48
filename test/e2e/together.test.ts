// Joint training as a workflow of a user: the float model trained as a whole, calibrated, trained quantised as a whole towards
// its labels and the float model, and gated per head. Through the command line, on tiny data and with real processes.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/support/json.ts';
import { BOX_CLASSES, MASK_CLASSES, SIZE } from '../backends/tiny-data.ts';
import { Installation } from './installation.ts';
import { jobsRunIn, reportOf, succeeded } from './project-report.ts';
import { makeProject, removeProject } from './tiny-project.ts';

const data = { train: 'scenes.train', gate: 'scenes.gate', calibration: 'scenes.train' };

function training(epochs: number, learningRate: number, more: JsonObject = {}): JsonObject {
  return {
    epochs,
    batch: 16,
    learningRate,
    schedule: { kind: 'step', epochs: [Math.ceil(epochs / 2)], factor: 0.3 },
    optimizer: { kind: 'sgd', weightDecay: 0.0001, momentum: 0.9, nesterov: true, decays: ['weight'] },
    clipNorm: 5,
    ...more,
  };
}

const workflow: JsonObject = {
  name: 'together',
  params: { profile: 'w8a8', jointRate: 0.002 },
  profiles: { w8a8: { weights: { bits: 8 }, activations: { bits: 8 } } },
  tasks: {
    detection: {
      data,
      target: 'boxes',
      stride: 4,
      loss: { kind: 'focal-heatmap' },
      metric: { kind: 'centre-map', distance: [2, 4, 8], score: 0.3 },
    },
    segmentation: {
      data,
      target: 'mask',
      stride: 2,
      loss: { kind: 'cross-entropy', classWeights: [1, 2, 2, 2], labelSmoothing: 0.05 },
      metric: { kind: 'miou', primary: 'pixelAccuracy' },
    },
  },
  model: { from: 'net.model' },
  stages: {
    scenes: { kind: 'dataset', with: { source: { kind: 'npy', folder: 'data', splits: { train: {}, gate: {} } } } },
    net: {
      kind: 'model',
      with: {
        architecture: 'depthwise-separable',
        input: [1, SIZE, SIZE],
        width: 4,
        heads: {
          detection: { kind: 'heatmap', classes: BOX_CLASSES.length, stride: 4 },
          segmentation: { kind: 'dense', classes: MASK_CLASSES.length, stride: 2 },
        },
      },
    },
    float: {
      kind: 'train',
      with: {
        train: ['backbone', 'heads'],
        tasks: { detection: 1, segmentation: 0.5 },
        training: training(16, 0.05, { augment: { flip: 0.5, brightness: 0.1 } }),
      },
    },
    'float-check': {
      kind: 'validate',
      forEach: 'tasks',
      inputs: { backbone: 'float.backbone', head: 'float.head' },
      with: { batch: 16, bootstrap: { count: 100 } },
    },
    backbone: {
      kind: 'calibrate',
      task: 'detection',
      inputs: { backbone: 'float.backbone' },
      with: { scope: 'backbone', batch: 16, batches: 4 },
    },
    head: {
      kind: 'calibrate',
      forEach: 'tasks',
      inputs: { backbone: 'backbone.backbone', head: 'float.head' },
      with: { scope: 'head', batch: 16, batches: 4 },
    },
    joint: {
      kind: 'qat',
      inputs: {
        backbone: 'backbone.backbone',
        heads: { collect: 'head.head' },
        teacher: 'float.backbone',
        teachers: { collect: { detection: 'float.head[detection]', segmentation: 'float.head[segmentation]' } },
      },
      with: {
        scope: 'all',
        objective: { tasks: { detection: 1, segmentation: 0.5 }, distill: 0.1 },
        training: training(2, 0, { learningRate: { $param: 'jointRate' }, freezeBatchNormAfter: { epochs: 1 } }),
      },
    },
    check: {
      kind: 'validate',
      forEach: 'tasks',
      inputs: { backbone: 'joint.backbone', head: 'joint.head' },
      with: { quantized: ['backbone', 'head'], batch: 16, bootstrap: { count: 100 } },
    },
    gate: {
      kind: 'gate',
      forEach: 'tasks',
      inputs: { metrics: 'check.metrics', reference: 'float-check.metrics' },
      cases: [
        { name: 'pass', criteria: [{ metric: 'primary', percentOfReference: 80, confidence: 0.9 }] },
        { name: 'short', else: true },
      ],
    },
    merge: {
      kind: 'merge',
      inputs: {
        backbone: 'joint.backbone',
        heads: { collect: { detection: 'joint.head[detection]', segmentation: 'joint.head[segmentation]' } },
      },
      with: { batch: 16, probe: 16 },
    },
  },
};

let installation: Installation;
let root: string;
let path: string;
const call = (...args: readonly string[]) => installation.run([...args, '--root', root]);

beforeAll(async () => {
  installation = await Installation.build();
  root = await makeProject();
  path = join(root, 'together.json');
  await writeFile(path, JSON.stringify(workflow, null, 2));
}, 60_000);
afterAll(async () => {
  await removeProject(root);
  await installation.remove();
});

describe('a model that is trained as a whole', () => {
  it('is quantised as a whole, gated per head on means and bounds, and merged', async () => {
    succeeded(await call('run', path));
    const report = await reportOf(installation, root);
    const chosen = report.stages.filter(({ kind }) => kind === 'gate').map(({ id, chosen }) => [String(id), chosen]);
    expect(chosen).toEqual([
      ['gate[detection]', 'pass'],
      ['gate[segmentation]', 'pass'],
    ]);
    expect(jobsRunIn(report)).toEqual(expect.arrayContaining(['float', 'joint', 'merge']));
  }, 120_000);

  it('is trained and judged again, and nothing before it, when its rate changes', async () => {
    succeeded(await call('run', path, '--set', 'jointRate=0.001'));
    expect(jobsRunIn(await reportOf(installation, root))).toEqual([
      'check[detection]',
      'check[segmentation]',
      'joint',
      'merge',
    ]);
  }, 120_000);
});
