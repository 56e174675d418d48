// Calibration at its full width in a workflow of its own: several sets, equalisation, statistics used again by a second stage
// without data, and self-tests asked of a validation; planned, run and told by the command line, with real processes.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BOX_CLASSES, MASK_CLASSES, SIZE } from '../backends/tiny-data.ts';
import type { JsonObject } from '../../src/support/json.ts';
import { Installation } from './installation.ts';
import { jobsRunIn, reportOf, succeeded } from './project-report.ts';
import { makeProject, removeProject } from './tiny-project.ts';

const training = {
  epochs: 4,
  batch: 16,
  learningRate: 0.02,
  schedule: { kind: 'cosine', final: 0.1 },
  optimizer: { kind: 'adamw', weightDecay: 0.0001 },
};
const SELF_TESTS = ['zero-learning-rate', 'fake-quant', 'state-order', 'freeze-proof', 'load-order'];

const data = { train: 'scenes.train', gate: 'scenes.gate', calibration: 'scenes.calibration' };
const calibration = { profile: 'w8a8', scope: 'backbone', equalise: true };

function workflowWith(selfTests: readonly string[]): JsonObject {
  return {
    name: 'calibration',
    profiles: { w8a8: { weights: { bits: 8 }, activations: { bits: 8 } } },
    tasks: {
      detection: {
        data: { ...data, calibration: 'scenes.gate' },
        target: 'boxes',
        stride: 4,
        classes: BOX_CLASSES.length,
        loss: { kind: 'focal-heatmap' },
        metric: { kind: 'centre-map', distance: 4 },
      },
      segmentation: {
        data,
        target: 'mask',
        stride: 2,
        classes: MASK_CLASSES.length,
        loss: { kind: 'cross-entropy', ignore: 255 },
        metric: { kind: 'miou' },
      },
    },
    model: { from: 'net.model' },
    stages: {
      scenes: {
        kind: 'dataset',
        with: {
          source: {
            kind: 'npy',
            folder: 'data',
            splits: { train: {}, gate: {}, calibration: { from: 'train', count: 32 } },
          },
        },
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
      },
      trunk: { kind: 'train', task: 'detection', with: { train: ['backbone', 'head'], training } },
      observed: {
        kind: 'calibrate',
        task: 'detection',
        inputs: { backbone: 'trunk.backbone' },
        with: {
          ...calibration,
          batch: 16,
          sets: [
            { task: 'detection', batches: 2 },
            { task: 'segmentation', batches: 1, weight: 2 },
          ],
        },
      },
      again: {
        kind: 'calibrate',
        task: 'detection',
        inputs: { backbone: 'trunk.backbone', statistics: 'observed.statistics' },
        with: { ...calibration, observer: { kind: 'mix' } },
      },
      check: {
        kind: 'validate',
        task: 'detection',
        inputs: { backbone: 'again.backbone', head: 'trunk.head' },
        with: { quantized: ['backbone'], batch: 16, selfTests: [...selfTests] },
      },
    },
  };
}

let installation: Installation;
let root: string;
let path: string;
const call = (...args: readonly string[]) => installation.run([...args, '--root', root]);

beforeAll(async () => {
  installation = await Installation.build();
  root = await makeProject();
  path = join(root, 'calibration.json');
  await writeFile(path, JSON.stringify(workflowWith(SELF_TESTS), null, 2));
}, 60_000);
afterAll(async () => {
  await removeProject(root);
  await installation.remove();
});

describe('a workflow of calibrations', () => {
  it('runs: sets are observed, statistics give scales without data, self-tests hold and are told', async () => {
    const { stdout } = succeeded(await call('run', path, '--log-format', 'plain'));
    for (const name of SELF_TESTS) expect(stdout).toContain(`detection, ${name}:`);
    const report = await reportOf(installation, root);
    const outputs = (stage: string) => Object.keys(report.stages.find(({ id }) => String(id) === stage)?.outputs ?? {});
    expect(outputs('observed').sort()).toEqual(['backbone', 'report', 'statistics']);
    expect(outputs('again').sort()).toEqual(['backbone', 'report']);
    expect(outputs('check').sort()).toEqual(['details', 'metrics', 'report']);
  }, 120_000);

  it('runs nothing but what reads it when another observer is chosen for the statistics', async () => {
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace('"kind": "mix"', '"kind": "kl"'));
    const { stdout } = succeeded(await call('plan', path, '--json'));
    const { stages } = JSON.parse(stdout) as {
      readonly stages: readonly { readonly stage: string; readonly will: string }[];
    };
    const notRestored = stages.filter(({ will }) => will !== 'restore').map(({ stage }) => stage);
    expect(notRestored.sort()).toEqual(['again', 'check']);
    succeeded(await call('run', path));
    expect(jobsRunIn(await reportOf(installation, root))).toEqual(['again', 'check']);
  }, 120_000);

  it.each([
    [['export'], /self-test "export" exports all heads together/],
    [['fake-quants'], /fake-quant/],
  ])('is refused at its place before anything runs: self-tests %j', async (selfTests, message) => {
    const wrong = join(root, 'wrong.json');
    await writeFile(wrong, JSON.stringify(workflowWith(selfTests), null, 2));
    const { exitCode, stdout, stderr } = await call('validate', wrong);
    expect(exitCode).toBe(2);
    expect(`${stdout}${stderr}`).toMatch(message);
    expect(`${stdout}${stderr}`).toMatch(/wrong\.json:\d+:\d+/);
  });
});
