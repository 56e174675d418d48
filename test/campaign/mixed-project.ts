// A folder with a workflow of everything that can be interrupted: programs with several outputs and folders of 40 files, a
// fan-out whose branches meet again, a program that fails every other time, and trainings of a tiny real network.
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JsonObject } from '../../src/support/json.ts';
import { BOX_CLASSES, MASK_CLASSES, SIZE } from '../backends/tiny-data.ts';
import { makeProject } from '../e2e/tiny-project.ts';

export const WORKFLOW = 'mixed.json';
/** Fails on purpose at every other attempt. */
export const FLAKY = 'flaky';

export async function makeMixedProject(): Promise<string> {
  const root = await makeProject();
  await copyFile(join(import.meta.dirname, 'step.sh'), join(root, 'step.sh'));
  await writeFile(join(root, WORKFLOW), JSON.stringify(workflow, null, 2));
  return root;
}

function step(
  args: readonly (string | JsonObject)[],
  outputs: { readonly [port: string]: string },
  more: JsonObject = {},
) {
  const declared = Object.fromEntries(
    Object.entries(outputs).map(([port, type]) => [port, { type, path: type === 'file' ? `${port}.txt` : port }]),
  );
  return { kind: 'command', with: { argv: ['./step.sh', ...args], outputs: declared }, retry: tries(3), ...more };
}

const tries = (attempts: number) => ({ attempts, backoff: { first: '10ms' } });

const training = (epochs: number) => ({
  epochs,
  batch: 16,
  learningRate: 0.02,
  schedule: { kind: 'cosine', final: 0.05 },
  optimizer: { kind: 'adamw', weightDecay: 0.0001 },
});

const task = (target: string, more: object) => ({
  data: Object.fromEntries(['train', 'gate', 'report', 'calibration'].map((split) => [split, `scenes.${split}`])),
  target,
  ...more,
});

const workflow = {
  name: 'mixed',
  tasks: {
    detection: task('boxes', {
      stride: 4,
      classes: BOX_CLASSES.length,
      loss: { kind: 'focal-heatmap' },
      metric: { kind: 'centre-map', distance: 5.7 },
    }),
    segmentation: task('mask', {
      stride: 2,
      classes: MASK_CLASSES.length,
      loss: { kind: 'cross-entropy', ignore: 255 },
      metric: { kind: 'miou' },
    }),
  },
  model: { from: 'net.model' },
  stages: {
    words: step(['words', '{output:folder}', '{output:list}', '{output:metrics}', 'text'], {
      folder: 'dataset',
      list: 'file',
      metrics: 'metrics',
    }),
    slice: step(
      ['slice', '{input:folder}', '{output:out}', { $key: true }],
      { out: 'file' },
      { forEach: ['a', 'b', 'c'], inputs: { folder: 'words.folder' } },
    ),
    measure: step(
      ['measure', '{input:in}', '{output:metrics}', '1'],
      { metrics: 'metrics' },
      { forEach: ['a', 'b', 'c'], inputs: { in: 'slice.out' } },
    ),
    pick: {
      kind: 'gate',
      forEach: ['a', 'b', 'c'],
      inputs: { metrics: 'measure.metrics' },
      cases: [
        { name: 'deep', criteria: [{ metric: 'primary', atLeast: 1 }] },
        { name: 'shallow', else: true },
      ],
    },
    deepen: step(
      ['deepen', '{input:in}', '{output:out}'],
      { out: 'file' },
      { forEach: ['a', 'b', 'c'], after: 'pick:deep', inputs: { in: 'slice.out' } },
    ),
    joined: {
      kind: 'select',
      forEach: ['a', 'b', 'c'],
      inputs: {
        out: {
          oneOf: [
            { when: 'pick:deep', from: 'deepen.out' },
            { when: 'pick:shallow', from: 'slice.out' },
          ],
        },
      },
    },
    [FLAKY]: step(
      ['flaky', '{input:in}', '{output:out}'],
      { out: 'file' },
      { inputs: { in: 'words.list' }, retry: tries(4) },
    ),
    scenes: {
      kind: 'dataset',
      with: {
        source: {
          kind: 'npy',
          folder: 'data',
          splits: { train: {}, gate: {}, report: {}, calibration: { from: 'train', count: 32 } },
        },
      },
      retry: tries(2),
    },
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
      retry: tries(2),
    },
    trunk: {
      kind: 'train',
      task: 'detection',
      with: { train: ['backbone', 'head'], training: training(12) },
      retry: tries(2),
    },
    accuracy: {
      kind: 'validate',
      task: 'detection',
      inputs: { backbone: 'trunk.backbone', head: 'trunk.head' },
      with: { quantized: [], split: 'gate' },
      retry: tries(2),
    },
    enough: {
      kind: 'gate',
      inputs: { metrics: 'accuracy.metrics' },
      cases: [
        { name: 'enough', criteria: [{ metric: 'primary', atLeast: 0.999 }] },
        { name: 'more', else: true },
      ],
    },
    more: {
      kind: 'train',
      task: 'detection',
      after: 'enough:more',
      inputs: { backbone: 'trunk.backbone', head: 'trunk.head' },
      with: { train: ['head'], training: training(10) },
      retry: tries(2),
    },
    polish: {
      kind: 'train',
      task: 'detection',
      after: 'enough:enough',
      inputs: { backbone: 'trunk.backbone', head: 'trunk.head' },
      with: { train: ['head'], training: training(1) },
    },
    head: {
      kind: 'select',
      inputs: {
        head: {
          oneOf: [
            { when: 'enough:enough', from: 'polish.head' },
            { when: 'enough:more', from: 'more.head' },
          ],
        },
      },
    },
    gather: step(
      [
        'gather',
        '{output:sum}',
        '{output:folder}',
        '{input:head}',
        '{input:flaky}',
        '{input:parts[a]}',
        '{input:parts[b]}',
        '{input:parts[c]}',
      ],
      { sum: 'file', folder: 'dataset' },
      { inputs: { head: 'head.head', flaky: `${FLAKY}.out`, parts: { collect: 'joined.out' } } },
    ),
  },
};
