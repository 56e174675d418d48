// Pitfalls of grids, rounding and places of quantisers, each as the kernel of headgate meets it. docs/pitfalls.md tells them.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { SeenImages } from '../../src/data/seen-images.ts';
import { countIntegerKernels } from '../../src/qat/export/integer-kernels.ts';
import type { KernelCount } from '../../src/qat/export/integer-kernels.ts';
import { compareCheckpoints, compareOutputs, createSession, decode, encode } from '../../src/qat/main.ts';
import { exportQdq, validationForward } from '../../src/qat/main.ts';
import type { GraphIr, Quantised, Tensor } from '../../src/qat/main.ts';
import { BACKBONE } from '../../src/qat/network/network.ts';
import { foldLayer } from '../../src/qat/network/fold.ts';
import { buildReference, deployedLayerOf, placementFor } from '../../src/qat/network/reference.ts';
import { GraphBuilder } from '../../src/qat/onnx/builder.ts';
import { initialCheckpoint } from '../../src/qat/quantize/checkpoint.ts';
import { quantizeValue } from '../../src/qat/quantize/scheme.ts';
import { Random } from '../../src/support/random.ts';
import { tinyDataset } from '../backends/tiny-data.ts';
import { firstUnequal } from '../qat/differences.ts';
import { randomTensor, runBuilder, runGraph } from '../qat/graphs.ts';
import { BATCH, BOUNDARY, OUTPUTS, w4a4, w8a16, w8a8 } from '../qat/networks.ts';
import { brighter, calibratedNetwork, image } from './world-of-traps.ts';

let quantised: Quantised;
beforeAll(async () => {
  quantised = await calibratedNetwork(w8a8);
});
const feeds = (images: Tensor) => new Map([['image', images]]);
const layers = () => quantised.network.units.flatMap((unit) => (unit.kind === 'layer' ? [unit] : []));

describe('scales of weights', () => {
  it('are those of the folded weights: every channel uses its grid to the end', () => {
    for (const unit of layers()) {
      const { checkpoint } = quantised.scopes.get(unit.scope) as { checkpoint: ReturnType<typeof initialCheckpoint> };
      const { weight } = foldLayer(unit, checkpoint.parameters);
      const scales = checkpoint.quant?.weights.get(unit.weight) as Float32Array;
      const perChannel = weight.data.length / scales.length;
      for (const [channel, scale] of scales.entries()) {
        const folded = weight.data.subarray(channel * perChannel, (channel + 1) * perChannel);
        expect(Math.max(...folded.map(Math.abs)) / scale).toBeCloseTo(127.5, 3);
      }
    }
  });
});

describe('VALIDATION', () => {
  it('moves nothing, whatever it is shown', async () => {
    const before = structuredClone(quantised.scopes);
    const forward = validationForward(quantised, { batch: BATCH });
    const first = await runGraph(forward, feeds(image(5)));
    await runGraph(forward, feeds(brighter(image(6), 100)));
    const again = await runGraph(validationForward(quantised, { batch: BATCH }), feeds(image(5)));
    expect(compareOutputs(first, again).differences).toEqual([]);
    for (const [scope, { checkpoint }] of quantised.scopes)
      expect(compareCheckpoints(before.get(scope)?.checkpoint as typeof checkpoint, checkpoint).differences).toEqual(
        [],
      );
  });

  it('of the backbone stays VALIDATION when the head is set to another state, in either order', async () => {
    const scopes = [...quantised.scopes].map(([scope, { checkpoint }]) => {
      const float = { state: 'FLOAT' as const, checkpoint: initialCheckpoint(quantised.network, scope) };
      return [scope, scope === BACKBONE ? { state: 'VALIDATION' as const, checkpoint } : float] as const;
    });
    const request = { outputs: [...BOUNDARY, ...OUTPUTS], batch: BATCH };
    const [one, other, alone] = await Promise.all(
      [scopes, [...scopes].reverse(), scopes.filter(([scope]) => scope === BACKBONE)].map((chosen) =>
        runGraph(
          buildReference(quantised.network, {
            ...request,
            scopes: new Map(chosen),
            ...(chosen.length === 1 ? { outputs: BOUNDARY } : {}),
          }),
          feeds(image(7)),
        ),
      ),
    );
    expect(compareOutputs(one as Map<string, Tensor>, other as Map<string, Tensor>).differences).toEqual([]);
    expect(compareOutputs(alone as Map<string, Tensor>, one as Map<string, Tensor>).differences).toEqual([]);
  });

  it('has every bias on the grid of its accumulators, as the exported file does', () => {
    const placement = placementFor(quantised.network, quantised.scopes);
    for (const unit of layers()) {
      const { checkpoint } = quantised.scopes.get(unit.scope) as { checkpoint: ReturnType<typeof initialCheckpoint> };
      const { bias, biasGrid } = deployedLayerOf(placement, unit, checkpoint, quantised.scopes).layer;
      const { steps, scales } = biasGrid as NonNullable<typeof biasGrid>;
      expect([...bias]).toEqual([...steps].map((step, channel) => Math.fround(step * (scales[channel] as number))));
    }
  });
});

describe('calibration', () => {
  it('moves no weight and no running statistic', () => {
    for (const [scope, { checkpoint }] of quantised.scopes)
      expect(checkpoint.parameters).toEqual(initialCheckpoint(quantised.network, scope).parameters);
  });
});

describe('the boundary', () => {
  it('is quantised once, by the backbone, however many heads read it', async () => {
    const owners = [...placementFor(quantised.network, quantised.scopes).activations.values()];
    for (const value of BOUNDARY) expect(owners.find((owner) => owner.value === value)?.scope).toBe(BACKBONE);
    for (const [scope, { checkpoint }] of quantised.scopes)
      if (scope !== BACKBONE)
        expect([...(checkpoint.quant?.activations.keys() ?? [])].filter((name) => !name.startsWith(scope))).toEqual([]);
    const { scales } = await exportQdq(quantised);
    expect(scales.filter(({ tensor }) => (BOUNDARY as readonly string[]).includes(tensor))).toHaveLength(2);
  });
});

describe('a quantiser between a layer and its ReLU', () => {
  it('has the scale that was observed after the ReLU, so that it changes no bit', async () => {
    const { activations } = placementFor(quantised.network, quantised.scopes);
    const relus = layers().filter((unit) => unit.activation?.op === 'Relu');
    for (const { linear, output } of relus)
      expect([activations.has(linear), activations.has(output)]).toEqual([false, true]);
    const { graph } = await exportQdq(quantised);
    const before = graph.nodes.filter(
      ({ op, outputs }) =>
        op === 'DequantizeLinear' && graph.nodes.some((n) => n.op === 'Relu' && n.inputs[0] === outputs[0]),
    );
    expect(before.length).toBeGreaterThanOrEqual(relus.length);
    const [file, forward] = [
      await runGraph(graph, feeds(image(8))),
      await runGraph(validationForward(quantised, { batch: BATCH, outputs: OUTPUTS }), feeds(image(8))),
    ];
    const named = new Map(OUTPUTS.map((name) => [name, forward.get(`out.${name}`) as Tensor]));
    expect(compareOutputs(named, file).differences).toEqual([]);
  });
});

describe('rounding', () => {
  it('divides, as QuantizeLinear does; multiplying by 1/s rounds some int16 values one step apart', async () => {
    const format = { bits: 16, signed: true };
    const scale = Math.fround(3.7 / 32767.5);
    const x = randomTensor(new Random(3), [100_000]);
    const b = new GraphBuilder('t');
    const zero = b.constant({ dtype: 'int16', shape: [], data: new Int16Array(1) });
    const steps = b.emit('QuantizeLinear', ['x', b.scalar(scale), zero]);
    const real = b.emit('DequantizeLinear', [steps, b.scalar(scale), zero]);
    const runtime = (await runBuilder(b, new Map([['x', x]]), [real], { opset: 21 })).get(real)?.data as Float32Array;
    const inverse = Math.fround(1 / scale);
    const divided = x.data.map((value) => quantizeValue(value, scale, format) * scale);
    expect(firstUnequal(divided, runtime)).toBe(-1);
    const multiplied = x.data.map((value) => quantizeValue(Math.fround(value * inverse), 1, format) * scale);
    const apart = multiplied.filter((value, index) => value !== divided[index]).length;
    expect(apart).toBeGreaterThan(0);
    expect(apart).toBeLessThan(100);
  });
});

describe('integer kernels', () => {
  it.each([
    ['w8a8', w8a8],
    ['w8a16', w8a16],
    ['w4a4', w4a4],
  ] as const)('are counted in the graph that the runtime made: %s', async (name, profile) => {
    const { graph } = await exportQdq(await calibratedNetwork(profile));
    const [usual, int8] = [await kernelsOf(graph, false), await kernelsOf(graph, true)];
    expect(usual.layers).toBe(18);
    if (name !== 'w8a8') expect([usual.integer, int8.integer]).toEqual([0, 0]);
    else expect([usual.integer, int8.integer]).toEqual([14, 17]);
  });

  it('that saturate stray from VALIDATION; with int8 activations left as they are none does', async () => {
    const { graph } = await exportQdq(quantised);
    const reference = await runGraph(graph, feeds(image(9)));
    const differing = async (int8Activations: boolean): Promise<number> => {
      const session = await createSession(encode(graph), { threads: 1, optimisation: 'all', int8Activations });
      const found = await session.run(feeds(image(9)));
      await session.release();
      const pairs = OUTPUTS.flatMap((name) => {
        const values = found.get(name)?.data as Float32Array;
        return [...(reference.get(name)?.data as Float32Array)].map((value, index) => value !== values[index]);
      });
      return pairs.filter(Boolean).length / pairs.length;
    };
    const [usual, int8] = [await differing(false), await differing(true)];
    expect(int8).toBe(0);
    // Equal where the processor has VNNI.
    expect(usual).toBeGreaterThanOrEqual(int8);
  });
});

async function kernelsOf(graph: GraphIr, int8Activations: boolean): Promise<KernelCount> {
  const folder = await mkdtemp(join(tmpdir(), 'headgate-kernels-'));
  const path = join(folder, 'optimised.onnx');
  const options = { threads: 1, optimisation: 'all', optimisedModelPath: path, int8Activations } as const;
  await (await createSession(encode(graph), options)).release();
  const kernels = countIntegerKernels(decode(await readFile(path)), 'detection.out');
  await rm(folder, { recursive: true });
  return kernels;
}

describe('an image in two splits', () => {
  it('is found by its pixels, except in a calibration set drawn from the training images', () => {
    const seen = new SeenImages();
    const [train, gate] = [tinyDataset('train', 4, 1), tinyDataset('gate', 4, 2)];
    expect([seen.add('train', train), seen.add('calibration', train), seen.add('gate', gate)]).toEqual([[], [], []]);
    expect(seen.add('report', gate)).toEqual([
      '4 images of split "report" are in split "gate" too (number 0 of "report" is number 0 of "gate"): what is measured on one is no longer independent of the other',
    ]);
  });
});
