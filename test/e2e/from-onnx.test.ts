// workflows/from-onnx.json end to end: a trained float network comes as a file that nobody of headgate wrote.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BACKBONE, headNames, networkOf } from '../../src/qat/network/network.ts';
import { buildReference } from '../../src/qat/network/reference.ts';
import { decodeModel, encodeModel } from '../../src/qat/onnx/codec.ts';
import { initialCheckpoint } from '../../src/qat/quantize/checkpoint.ts';
import { createSession } from '../../src/qat/runtime/onnxruntime.ts';
import { openStore } from '../../src/store/store.ts';
import type { JsonObject } from '../../src/support/json.ts';
import { decodeNpy } from '../../src/support/npy.ts';
import type { Tensor } from '../../src/support/tensor.ts';
import { BOUNDARY, equalParametersShared, HEADS, writeForeignModel } from '../backends/foreign-models.ts';
import { Installation } from './installation.ts';
import { digestsIn, jobsRunIn, reportOf, succeeded } from './project-report.ts';
import { removeProject, writeWorkflow } from './tiny-project.ts';
import { makeTrainedProject } from './trained-project.ts';

let installation: Installation;
let root: string;
beforeAll(async () => {
  installation = await Installation.build();
  root = await makeTrainedProject(installation);
});
afterAll(async () => {
  await removeProject(root);
  await installation.remove();
});

const imports = (onnx: string, boundary: readonly string[], outputs: JsonObject): JsonObject => ({
  import: { onnx, boundary: [...boundary], outputs },
});

async function artifact(digest: string | undefined): Promise<string> {
  return openStore(root).objects.pathOf(digest as never);
}

describe('an ONNX file without anything of headgate in it', () => {
  it('is quantised from step 1 on, its float accuracy that of the training it came from', async () => {
    const trained = await writeWorkflow(root, 'fashion-scenes.json');
    succeeded(await installation.run(['run', trained, '--root', root, '--until', 'float-accuracy']));
    const float = digestsIn(await reportOf(installation, root));
    const checkpoints = ['trunk.backbone', 'trunk.head', 'float-head[segmentation].head'];
    await writeForeignModel(
      join(root, 'model.onnx'),
      await artifact(float['net.model']),
      await Promise.all(checkpoints.map((port) => artifact(float[port]))),
      equalParametersShared,
    );
    const outputs = { detection: [...HEADS.detection.outputs], segmentation: [...HEADS.segmentation.outputs] };
    const workflow = await writeWorkflow(root, 'from-onnx.json', imports('model.onnx', BOUNDARY, outputs));
    succeeded(await installation.run(['run', workflow, '--root', root]));
    const report = await reportOf(installation, root);
    const digests = digestsIn(report);
    for (const task of ['detection', 'segmentation'])
      expect(digests[`float-accuracy[${task}].metrics`]).toBe(float[`float-accuracy[${task}].metrics`]);
    expect(jobsRunIn(report)).toEqual(
      expect.arrayContaining([
        'imported',
        'base/backbone/qat/train',
        'head[segmentation]/qat/train',
        'merge',
        'export',
      ]),
    );
    expect(report.finished?.outcome).toBe('succeeded');
  }, 120_000);

  it('that is cut off fails the import with exit code 1, and nothing after it runs', async () => {
    const outputs = { detection: [...HEADS.detection.outputs], segmentation: [...HEADS.segmentation.outputs] };
    const workflow = await writeWorkflow(root, 'from-onnx.json', imports('cut.onnx', BOUNDARY, outputs));
    await writeFile(join(root, 'cut.onnx'), (await readFile(join(root, 'model.onnx'))).subarray(0, 3000));
    const { exitCode, stdout } = await installation.run(['run', workflow, '--root', root]);
    expect(exitCode).toBe(1);
    expect(stdout).toContain('Export the model again');
    expect(
      (await reportOf(installation, root)).stages.filter(({ state }) => state === 'failed').map(({ id }) => String(id)),
    ).toEqual(['imported']);
  });
});

/** The interpreter for this test; HEADGATE_PYTHON names one that has torch and onnx. */
const python = process.env['HEADGATE_PYTHON'] ?? 'python3';
const hasTorch = spawnSync(python, ['-c', 'import torch, onnx'], { stdio: 'ignore' }).status === 0;

describe.skipIf(!hasTorch)(`a model from PyTorch (skipped where ${python} has no torch and onnx)`, () => {
  /** Largest difference over largest reference: two float32 implementations of the same convolutions. */
  const TOLERANCE = 1e-5;
  const [FINE, COARSE] = ['/fine/relu/Relu_output_0', '/coarse/relu/Relu_output_0'] as const;
  const outputs = { detection: ['detection'], segmentation: ['segmentation'] };

  it.each(['fold', 'keep'])(
    'exported with batch norms to %s gives the same outputs in FLOAT and is quantised',
    async (how) => {
      const onnx = `torch-${how}.onnx`;
      execFileSync(
        python,
        [join(import.meta.dirname, 'export_small_model.py'), join(root, 'data'), join(root, onnx), how],
        { stdio: 'pipe' },
      );
      const workflow = await writeWorkflow(root, 'from-onnx.json', imports(onnx, [FINE, COARSE], outputs));
      succeeded(await installation.run(['run', workflow, '--root', root]));
      const report = await reportOf(installation, root);
      expect(report.finished?.outcome).toBe('succeeded');

      const network = networkOf(decodeModel(await readFile(await artifact(digestsIn(report)['imported.model']))));
      const scopes = new Map(
        [BACKBONE, ...headNames(network)].map((scope) => [
          scope,
          { state: 'FLOAT' as const, checkpoint: initialCheckpoint(network, scope) },
        ]),
      );
      const tensorAt = async (name: string): Promise<Tensor> => {
        const read = decodeNpy(await readFile(join(root, `${onnx}.${name}.npy`)));
        if (!read.ok) throw new Error(read.error);
        return read.value;
      };
      const reference = buildReference(network, { scopes, outputs: ['detection', 'segmentation'], batch: 4 });
      const session = await createSession(encodeModel(reference), { threads: 1, optimisation: 'disabled' });
      const found = await session.run(new Map([['image', await tensorAt('image')]]));
      await session.release();
      for (const head of ['detection', 'segmentation']) {
        const [ours, theirs] = [
          found.get(`out.${head}`)?.data as Float32Array,
          (await tensorAt(head)).data as Float32Array,
        ];
        expect(ours.length).toBe(theirs.length);
        const largest = theirs.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        const apart = theirs.reduce(
          (most, value, index) => Math.max(most, Math.abs(value - (ours[index] as number))),
          0,
        );
        expect(apart / largest).toBeLessThanOrEqual(TOLERANCE);
      }
    },
    120_000,
  );
});
