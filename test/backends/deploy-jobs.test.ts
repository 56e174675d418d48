import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeModel } from '../../src/qat/onnx/codec.ts';
import type { KernelCount } from '../../src/qat/export/integer-kernels.ts';
import type { JsonObject } from '../../src/support/json.ts';
import { digestsOf, jsonAt } from './artifacts.ts';
import type { MetricsDocument } from './artifacts.ts';
import { exportOrder, merge, TASKS, validate, w4a4, w8a16, w8a8 } from './orders.ts';
import { outputsOf } from './worker-rig.ts';
import { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.remove());

const profiles: readonly { readonly name: string; readonly profile: JsonObject }[] = [
  { name: 'w8a8', profile: w8a8 },
  { name: 'w8a16', profile: w8a16 },
  { name: 'w4a4', profile: w4a4 },
];

describe('the merge job', () => {
  it('proves its outputs, boundary and tensors, and stores each scope once', async () => {
    const done = await world.rig.run(merge(await world.mergeInputs()));
    const { merged } = outputsOf(done);
    expect((await readdir(merged as string)).sort()).toEqual([
      'backbone.safetensors',
      'detection.safetensors',
      'graph.onnx',
      'merged.json',
      'segmentation.safetensors',
    ]);
    const proofs = done.events.flatMap((event) => (event.type === 'proof' ? [event.proof.name] : []));
    expect(proofs.sort()).toEqual([
      'boundary',
      'deployed',
      'deployed',
      'deployed',
      'freeze',
      'freeze',
      'freeze',
      'merge',
      'merge',
    ]);
    const inputs = await world.mergeInputs();
    expect(await digestsOf({ backbone: join(merged as string, 'backbone.safetensors') })).toEqual(
      await digestsOf({ backbone: inputs['backbone'] as string }),
    );
  });
});

describe('the export job', () => {
  it.each(profiles)('writes a file that equals the VALIDATION forward bit for bit ($name)', async ({ profile }) => {
    const done = await world.rig.run(exportOrder({ ...world.taskData(), merged: await world.merged(profile) }));
    const { onnx, scales, report } = outputsOf(done);
    const texts = done.events.flatMap((event) => (event.type === 'proof' ? [event.proof.text] : []));
    expect(texts).toHaveLength(2);
    expect(texts.every((text) => /\d+ output values of 32 gate images bit-equal, unoptimised/.test(text))).toBe(true);
    await expectReport(report as string, profile, texts);
    const graph = decodeModel(await readFile(onnx as string));
    expect(graph.opset).toBe(21);
    const convolutions = (nodes: typeof graph.nodes) => nodes.filter(({ op }) => op === 'Conv').length;
    expect(convolutions(graph.nodes)).toBe(convolutions(decodeModel(await readFile(await world.model())).nodes));
    const { scales: rows } = await jsonAt<{ scales: { tensor: string; scale: number[] }[] }>(scales as string);
    const quantisers = graph.nodes.filter(({ op }) => op === 'QuantizeLinear');
    // A Relu that a kernel takes along has a pair before it too, of the same scale: its other reader is nobody.
    const readBy = (value: string | undefined) => graph.nodes.filter(({ inputs }) => inputs.includes(value ?? ''));
    const pairs = quantisers.filter(({ outputs }) => {
      const [dequantised] = readBy(outputs[0]);
      return !readBy(dequantised?.outputs[0]).every(({ op }) => op === 'Relu');
    });
    expect(rows.filter(({ tensor }) => !tensor.endsWith('weight'))).toHaveLength(pairs.length);
  });
});

/** What the integer runtime does to each head, as figures. */
async function expectReport(path: string, profile: JsonObject, texts: readonly string[]): Promise<void> {
  const report = await jsonAt<{ heads: { [task: string]: HeadReport }; defaultSession: object }>(path);
  expect(report.defaultSession).toEqual({ accepts: true });
  const { heads } = report;
  expect(Object.keys(heads).sort()).toEqual([...TASKS].sort());
  for (const [index, task] of TASKS.entries()) {
    const head = heads[task] as HeadReport;
    expect(head.unoptimised).toEqual({ differing: 0, largest: 0, largestSteps: 0 });
    expect(head.change).toBe(head.deployed - head.validation);
    expect(Object.keys(head.saturation).sort()).toEqual(['backbone', task]);
    for (const { saturated, activations } of Object.values(head.saturation)) {
      expect(saturated).toBeLessThan(activations / 2);
      expect(activations).toBeGreaterThan(1000);
    }
    const { optimised, int8Activations } = head.integerKernels;
    expect(texts[index]).toContain(`integer kernels: ${optimised.integer} of ${optimised.layers} layers`);
    if (profile !== w8a8) expect([optimised.integer, int8Activations.integer]).toEqual([0, 0]);
    else {
      // By default a value with several readers costs its readers their kernels; a head's last layer never has one.
      expect(optimised.integer).toBeGreaterThan(optimised.layers / 2);
      expect(int8Activations.integer).toBe(int8Activations.layers - 1);
      expect(head.int8Activations.largestSteps).toBeLessThanOrEqual(MOST_STEPS);
    }
  }
}

/** Integer sums are exact, float32 ones nearly: measured 0 here, and at most 3 where large layers round differently. */
const MOST_STEPS = 3;

interface HeadReport {
  readonly validation: number;
  readonly deployed: number;
  readonly change: number;
  readonly unoptimised: object;
  readonly int8Activations: { readonly largestSteps: number };
  readonly integerKernels: { readonly [runtime in 'optimised' | 'int8Activations']: KernelCount };
  readonly saturation: { readonly [scope: string]: { readonly saturated: number; readonly activations: number } };
}

describe('the validate job', () => {
  it.each(TASKS)('measures the same numbers on the merged model as on its scopes (%s)', async (task) => {
    const { model, backbone, ...heads } = await world.mergeInputs();
    const data = { 'data[gate]': world.gateData };
    const apart = await world.rig.outputs(
      validate(task, ['backbone', 'head'], {
        ...data,
        model: model as string,
        backbone: backbone as string,
        head: heads[`heads[${task}]`] as string,
      }),
    );
    const merged = await world.rig.outputs(validate(task, [], { ...data, merged: await world.merged() }));
    expect(await digestsOf(merged)).toEqual(await digestsOf(apart));
  });

  it.each(profiles)(
    'measures the exported file in the integer runtime, near the merged model ($name)',
    async ({ profile }) => {
      const data = { 'data[gate]': world.gateData };
      const valueOf = async (inputs: { readonly [port: string]: string }, runtime: string): Promise<number> => {
        const { metrics } = await world.rig.outputs(validate('segmentation', [], inputs, { runtime }));
        return (await jsonAt<MetricsDocument>(metrics as string)).values['pixelAccuracy'] as number;
      };
      const merged = await valueOf({ ...data, merged: await world.merged(profile) }, 'reference');
      const exported = { ...data, exported: await world.exported(profile) };
      expect(await valueOf(exported, 'reference')).toBe(merged);
      // A few points: integer kernels of this runtime saturate on processors without VNNI.
      expect(Math.abs((await valueOf(exported, 'integer')) - merged)).toBeLessThan(0.05);
    },
  );

  it('writes one row of statistics for each image', async () => {
    const inputs = {
      ...(await world.gateBase()),
      backbone: await world.backbone(),
      head: await world.head('segmentation'),
    };
    const { details } = await world.rig.outputs(validate('segmentation', [], inputs));
    expect(await jsonAt(details as string)).toMatchObject({
      format: 'headgate-per-image',
      task: 'segmentation',
      images: { images: Array.from({ length: 32 }, (_, image) => image) },
    });
  });
});
