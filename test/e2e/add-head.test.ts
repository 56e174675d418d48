// workflows/add-head.json end to end, on what a small run of the strategy delivered: a third head is added, the released files
// come out byte for byte, and a release of which one number was changed is refused.
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunReport } from '../../src/report/run-report.ts';
import { openStore } from '../../src/store/store.ts';
import type { Digest } from '../../src/support/digest.ts';
import type { JsonObject } from '../../src/support/json.ts';
import { checkpointAt } from '../backends/artifacts.ts';
import { withValue } from '../backends/altered.ts';
import { Installation } from './installation.ts';
import { digestsIn, jobsRunIn, reportOf, succeeded } from './project-report.ts';
import { removeProject, writeWorkflow } from './tiny-project.ts';
import { makeTrainedProject } from './trained-project.ts';

/** Calibration is taken as it is: what is released is not the matter here. */
const EASY: JsonObject = { thresholds: { accept: 1, head: 1 } };
const RELEASE = '.headgate/out/fashion-scenes/merge.merged';

let installation: Installation;
let root: string;
let workflow: string;
let report: RunReport;
const call = (...args: readonly string[]) => installation.run([...args, '--root', root]);

beforeAll(async () => {
  installation = await Installation.build();
  root = await makeTrainedProject(installation);
  succeeded(await call('run', await writeWorkflow(root, 'fashion-scenes.json', EASY), '--until', 'merge'));
  workflow = await writeWorkflow(root, 'add-head.json', EASY);
  succeeded(await call('run', workflow));
  report = await reportOf(installation, root);
}, 120_000);
afterAll(async () => {
  await removeProject(root);
  await installation.remove();
});

const scopeFiles = ['backbone.safetensors', 'detection.safetensors', 'segmentation.safetensors'];

describe('a head that is added to a released model', () => {
  it('trains and calibrates that head, and nothing else', () => {
    const ran = jobsRunIn(report);
    expect(ran).toEqual(expect.arrayContaining(['release', 'wider', 'float-head[occupancy]', 'merge', 'export']));
    const touching = ran.filter((stage) => /(train|calibrate|finetune|qat|float-head)/.test(stage));
    expect(touching).toEqual(['float-head[occupancy]', 'head[occupancy]/calibrate']);
    expect(report.finished?.outcome).toBe('succeeded');
  });

  it('delivers the released files byte for byte beside the new one', async () => {
    const folder = join(root, '.headgate/out/add-head/merge.merged');
    expect((await readdir(folder)).sort()).toEqual(
      [...scopeFiles, 'graph.onnx', 'merged.json', 'occupancy.safetensors'].sort(),
    );
    for (const file of scopeFiles)
      expect(await readFile(join(folder, file)), file).toEqual(await readFile(join(root, RELEASE, file)));
  });

  it('proves it, and measures the released heads as they were', () => {
    const proofs = report.stages.flatMap(({ facts }) => facts.proofs);
    expect(proofs.filter(({ held }) => !held)).toEqual([]);
    expect(proofs.filter(({ name }) => name === 'release')).toHaveLength(5);
    const digests = digestsIn(report);
    for (const task of ['detection', 'segmentation'])
      expect(digests[`merged-accuracy[${task}].metrics`]).toBe(digests[`released-accuracy[${task}].metrics`]);
  });

  it('is learned', async () => {
    const digest = digestsIn(report)['merged-accuracy[occupancy].metrics'] as Digest;
    const metrics = JSON.parse(await readFile(openStore(root).objects.pathOf(digest), 'utf8')) as {
      readonly values: { readonly mIoU: number };
    };
    // Two classes: one of them alone gives less than a half.
    expect(metrics.values.mIoU).toBeGreaterThan(0.5);
  });

  it('runs nothing the second time', async () => {
    succeeded(await call('run', workflow));
    expect(jobsRunIn(await reportOf(installation, root))).toEqual([]);
  });
});

describe('a release of which one number was changed', () => {
  it('ends the run with exit code 1 and names file and tensor; nothing is trained', async () => {
    const folder = join(root, 'mutated');
    await cp(join(root, RELEASE), folder, { recursive: true });
    const path = join(folder, 'segmentation.safetensors');
    const name = 'segmentation.out.weight';
    const values = (await checkpointAt(path)).parameters.get(name)?.data.slice() ?? new Float32Array();
    const bits = new Uint32Array(values.buffer);
    bits[3] = (bits[3] as number) ^ 1;
    await writeFile(path, await readFile(await withValue(path, `parameter.${name}`, 3, values[3] as number)));
    const { exitCode, stdout } = await call('run', workflow, '--set', 'release.folder=mutated');
    expect(exitCode).toBe(1);
    expect(stdout).toContain(
      `segmentation.safetensors is not what was released: tensor "parameter.${name}" has other values`,
    );
    expect(jobsRunIn(await reportOf(installation, root))).toEqual([]);
  });
});
