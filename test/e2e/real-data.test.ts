// The shipped workflows as they are, on real Fashion-MNIST, at the smallest settings that still reach every step. Only where
// the data is at hand: HEADGATE_FASHION_MNIST names a folder with its four IDX files.
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '../../src/store/store.ts';
import type { Digest } from '../../src/support/digest.ts';
import { BOUNDARY, HEADS, writeForeignModel } from '../backends/foreign-models.ts';
import { Installation } from './installation.ts';
import { digestsIn, reportOf, succeeded } from './project-report.ts';
import { makeProject, removeProject } from './tiny-project.ts';

const data = process.env['HEADGATE_FASHION_MNIST'];
const workflows = join(import.meta.dirname, '../../workflows');

const training = { epochs: 1, learningRate: 0.005 };
const params = {
  batch: 16,
  data: { folder: resolve(data ?? ''), counts: { train: 640, gate: 64, report: 64, calibration: 64 } },
  backbone: { qat: training },
  heads: {
    detection: { finetune: training, qat: training },
    segmentation: { finetune: training, qat: training },
  },
  calibration: { batches: 2 },
  // So little training earns no accuracy worth a gate: every case that goes on is taken.
  thresholds: { accept: 1000, fixed: 1000, qat: 1, admit: 1, head: 1000, finetuned: 1, integer: 1 },
};

describe.skipIf(data === undefined)('on real data (skipped without HEADGATE_FASHION_MNIST)', () => {
  let installation: Installation;
  let root: string;
  beforeAll(async () => {
    installation = await Installation.build();
    root = await makeProject();
  });
  afterAll(async () => {
    await removeProject(root);
    await installation.remove();
  });

  async function run(name: string, more: object): Promise<ReturnType<typeof digestsIn>> {
    const file = join(root, `${name}.params.json`);
    await writeFile(file, JSON.stringify({ ...params, ...more }));
    succeeded(await installation.run(['run', join(workflows, name), '--root', root, '--params', file]));
    const report = await reportOf(installation, root);
    expect(report.finished?.outcome).toBe('succeeded');
    return digestsIn(report);
  }

  it('fashion-scenes.json and, from the network it trained, from-onnx.json run to their ends', async () => {
    const { heads } = params;
    const [detection, segmentation] = [heads.detection, heads.segmentation].map((head) => ({
      ...head,
      float: training,
    }));
    const trained = {
      backboneThreads: 1,
      model: { width: 4 },
      trunk: { epochs: 3, learningRate: 0.02 },
      heads: { detection, segmentation },
    };
    const first = await run('fashion-scenes.json', { ...trained, trainingTask: 'segmentation' });
    const pathOf = (port: string): string => openStore(root).objects.pathOf(first[port] as Digest);
    const scopes = ['trunk.backbone', 'trunk.head', 'float-head[detection].head'];
    await writeForeignModel(join(root, 'trained.onnx'), pathOf('net.model'), scopes.map(pathOf));
    const outputs = { detection: HEADS.detection.outputs, segmentation: HEADS.segmentation.outputs };
    const second = await run('from-onnx.json', { import: { onnx: 'trained.onnx', boundary: BOUNDARY, outputs } });
    for (const task of ['detection', 'segmentation'])
      expect(second[`float-accuracy[${task}].metrics`]).toBe(first[`float-accuracy[${task}].metrics`]);
  }, 300_000);
});
