// A mixed-precision profile from its recommendation to the exported file: the shipped workflow with a budget for one, through
// the command line, on tiny data and with real processes. What the file holds is read from it as ONNX, not from a report.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { decodeCheckpointFile } from '../../src/backends/embedded/inputs.ts';
import type { RunReport } from '../../src/report/run-report.ts';
import { decodeModel } from '../../src/qat/onnx/codec.ts';
import type { Profile } from '../../src/qat/quantize/scheme.ts';
import type { ScopeCheckpoint } from '../../src/qat/quantize/checkpoint.ts';
import type { Digest } from '../../src/support/digest.ts';
import { openStore } from '../../src/store/store.ts';
import { Installation } from './installation.ts';
import { reportOf, succeeded } from './project-report.ts';
import { removeProject, writeWorkflow } from './tiny-project.ts';
import { makeTrainedProject } from './trained-project.ts';

const TASKS = ['detection', 'segmentation'];
/** A layer of each head may have wider weights; a few measurements choose one of so small a head. */
const MIXED = { weights: [16], activations: [], budget: { kind: 'layers', most: 1 }, measurements: 12 };

let installation: Installation;
let root: string;
let report: RunReport;

beforeAll(async () => {
  installation = await Installation.build();
  root = await makeTrainedProject(installation);
  // Heads are accepted as calibrated, straight from the float ones.
  const workflow = await writeWorkflow(root, 'fashion-scenes.json', {
    thresholds: { accept: 1, head: 1 },
    analysis: { images: 16 },
  });
  const until = TASKS.flatMap((task) => [`merged-accuracy[${task}]`, `integer-accuracy[${task}]`]);
  const ends = until.flatMap((stage) => ['--until', stage]);
  const set = ['--set', `mixed=${JSON.stringify(MIXED)}`];
  succeeded(await installation.run(['run', workflow, ...set, ...ends, '--root', root]));
  report = await reportOf(installation, root);
}, 180_000);
afterAll(async () => {
  await removeProject(root);
  await installation.remove();
});

function pathOf(stage: string, port: string): string {
  const digest = report.stages.find(({ id }) => String(id) === stage)?.outputs[port]?.digest;
  if (digest === undefined) throw new Error(`no ${stage}.${port} in the report`);
  return openStore(root).objects.pathOf(digest as Digest);
}

const recommended = async (task: string): Promise<Profile> =>
  JSON.parse(await readFile(pathOf(`head-mix[${task}]`, 'profile'), 'utf8')) as Profile;

/** Names of the weights that a head's recommendation widens. */
const widerIn = ({ layers = {} }: Profile): readonly string[] =>
  Object.entries(layers).flatMap(([name, { weights }]) => (weights?.bits === 16 ? [name] : []));

it('widens one layer of every head, by what was measured', async () => {
  for (const task of TASKS) {
    const profile = await recommended(task);
    expect(profile).toMatchObject({ weights: { bits: 8 }, activations: { bits: 8 } });
    const wider = widerIn(profile);
    expect(wider, task).toHaveLength(1);
    expect(wider[0]).toMatch(new RegExp(`^${task}\\.`));
  }
});

async function mergedScope(scope: string): Promise<ScopeCheckpoint> {
  const file = join(root, '.headgate/out/fashion-scenes/merge.merged', `${scope}.safetensors`);
  return decodeCheckpointFile(await readFile(file));
}

it('is the profile of every merged head, and not of the backbone', async () => {
  for (const task of TASKS) expect((await mergedScope(task)).quant?.profile).toEqual(await recommended(task));
  expect((await mergedScope('backbone')).quant?.profile.layers ?? {}).toEqual({});
});

it('gives the exported file 16-bit weights in those layers and 8-bit ones in all others', async () => {
  const { nodes, initializers } = decodeModel(await readFile(pathOf('export', 'onnx')));
  const scalesOf = (name = ''): readonly number[] => [...((initializers.get(name)?.data ?? []) as Float32Array)];
  // Exported weights have names of their own; their scales say which layer's they are.
  const exported = nodes.flatMap(({ op, inputs: [steps = '', scale] }) => {
    const weight = initializers.get(steps);
    const found = op === 'DequantizeLinear' && weight !== undefined && weight.shape.length > 1;
    return found ? [{ dtype: weight.dtype, scales: scalesOf(scale) }] : [];
  });
  const wider = (await Promise.all(TASKS.map(recommended))).flatMap(widerIn);
  for (const scope of ['backbone', ...TASKS]) {
    const { quant } = await mergedScope(scope);
    for (const [layer, scales] of quant?.weights ?? []) {
      const same = exported.filter((weight) => weight.scales.join() === [...scales].join());
      expect(
        same.map(({ dtype }) => dtype),
        layer,
      ).toEqual([wider.includes(layer) ? 'int16' : 'int8']);
    }
  }
  expect(exported.filter(({ dtype }) => dtype === 'int16')).toHaveLength(TASKS.length);
});

it('is measured as merged, as exported and by the integer runtime, and every proof holds', () => {
  const proofs = report.stages.flatMap(({ facts }) => facts.proofs);
  expect(proofs.filter(({ held }) => !held)).toEqual([]);
  for (const name of ['merge', 'export', 'boundary']) expect(proofs.map((proof) => proof.name)).toContain(name);
  for (const task of TASKS) {
    const separate = report.stages.find(({ id }) => String(id) === `head[${task}]/check`);
    const merged = report.stages.find(({ id }) => String(id) === `merged-accuracy[${task}]`);
    expect(merged?.outputs['metrics']?.digest).toBe(separate?.outputs['metrics']?.digest);
    expect(report.stages.find(({ id }) => String(id) === `integer-accuracy[${task}]`)?.state).toBe('succeeded');
  }
});
