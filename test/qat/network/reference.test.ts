// The reference forward: FLOAT is the float model to the bit, VALIDATION the deployed form, and every scope keeps its own
// state whatever the others do.
import { beforeAll, describe, expect, it } from 'vitest';
import { BACKBONE } from '../../../src/qat/network/network.ts';
import { buildReference } from '../../../src/qat/network/reference.ts';
import type { ScopeForward } from '../../../src/qat/network/reference.ts';
import { encodeModel } from '../../../src/qat/onnx/codec.ts';
import { exportQdq } from '../../../src/qat/export/qdq.ts';
import { compareCheckpoints, compareOutputs } from '../../../src/qat/freeze/compare.ts';
import { LoadError } from '../../../src/qat/quantize/checkpoint.ts';
import type { ScopeCheckpoint } from '../../../src/qat/quantize/checkpoint.ts';
import type { Tensor } from '../../../src/support/tensor.ts';
import { calibrate, floatScopes, quantisedScopes, runReference } from '../checkpoints.ts';
import { relativeDifference, sameBits } from '../differences.ts';
import { runGraph } from '../graphs.ts';
import { BATCH, BOUNDARY, OUTPUTS, mixed, randomBatch, smallNetwork, w4a4, w8a16, w8a8 } from '../networks.ts';

const network = smallNetwork();
const floats = floatScopes(network);
const image = randomBatch(9);
const everything = [...BOUNDARY, ...OUTPUTS];
let calibrated: ReadonlyMap<string, ScopeCheckpoint>;

beforeAll(async () => {
  calibrated = await calibrate(network, w8a8);
});

function forward(scope: string, state: ScopeForward['state']): [string, ScopeForward] {
  const checkpoint = state === 'FLOAT' ? floats.get(scope)?.checkpoint : calibrated.get(scope);
  return [scope, { state, checkpoint: checkpoint as ScopeCheckpoint }];
}

const run = (
  scopes: readonly [string, ScopeForward][],
  outputs: readonly string[] = everything,
): Promise<ReadonlyMap<string, Tensor>> => runReference(network, { scopes: new Map(scopes), outputs }, image);

function expectSameBits(
  found: ReadonlyMap<string, Tensor>,
  reference: ReadonlyMap<string, Tensor>,
  names: readonly string[],
): void {
  for (const name of names) {
    expect(sameBits(found.get(name)?.data as Float32Array, reference.get(name)?.data as Float32Array), name).toBe(true);
  }
}

describe('state FLOAT', () => {
  it('equals the float model bit for bit', async () => {
    const original = network.graph;
    const kept = BOUNDARY.map((name) => ({ name, dtype: 'float32' as const }));
    const reference = await runGraph({ ...original, outputs: [...original.outputs, ...kept] }, image);
    const found = await runReference(network, { scopes: floats, outputs: everything }, image);
    expectSameBits(found, reference, everything);
  });
});

describe('state VALIDATION', () => {
  it('gives the same bits every time, and moves no tensor of its checkpoints', async () => {
    const before = await calibrate(network, w8a8);
    const first = await run([...quantisedScopes(calibrated)]);
    const second = await run([...quantisedScopes(calibrated)]);
    expectSameBits(second, first, everything);
    for (const [scope, checkpoint] of before) {
      expect(compareCheckpoints(checkpoint, calibrated.get(scope) as ScopeCheckpoint).differences).toEqual([]);
    }
  });

  it('puts every boundary value on its quantiser’s grid', async () => {
    const found = await run([...quantisedScopes(calibrated)]);
    for (const name of BOUNDARY) {
      const scale = calibrated.get(BACKBONE)?.quant?.activations.get(name)?.scale as number;
      const data = found.get(name)?.data as Float32Array;
      expect(
        data.every((value) => Math.fround(Math.round(value / scale) * scale) === value),
        name,
      ).toBe(true);
    }
  });

  it.each([
    ['w8a8', w8a8],
    ['w8a16', w8a16],
    ['w4a4', w4a4],
    ['exceptions by layer', mixed],
  ] as const)('equals the unoptimised QDQ export bit for bit: %s', async (_, profile) => {
    const scopes = quantisedScopes(await calibrate(network, profile));
    const reference = await runReference(network, { scopes, outputs: OUTPUTS }, image);
    const exported = await runGraph(exportQdq(network, scopes, new Map()).graph, image);
    expect(compareOutputs(reference, exported).differences).toEqual([]);
  });

  it('stays near the float model with 16-bit activations, on the data it was calibrated on', async () => {
    const scopes = quantisedScopes(await calibrate(network, w8a16));
    const found = await runReference(network, { scopes, outputs: OUTPUTS }, randomBatch(1));
    const reference = await runReference(network, { scopes: floats, outputs: OUTPUTS }, randomBatch(1));
    for (const name of OUTPUTS) {
      const difference = relativeDifference(
        found.get(name)?.data as Float32Array,
        reference.get(name)?.data as Float32Array,
      );
      expect(difference, name).toBeLessThan(0.03);
    }
  });
});

describe('states of several scopes', () => {
  it('are independent: a FLOAT head on the VALIDATION backbone sees exactly the quantised features', async () => {
    const alone = await run([forward(BACKBONE, 'VALIDATION')], BOUNDARY);
    const together = await run(
      [forward(BACKBONE, 'VALIDATION'), forward('detection', 'FLOAT')],
      [...BOUNDARY, 'detection.out'],
    );
    expectSameBits(together, alone, BOUNDARY);
    const boundaryShapes = new Map([...alone].map(([name, tensor]) => [name, tensor.shape.slice(1)]));
    const head = new Map([forward('detection', 'FLOAT')]);
    const onFeatures = await runReference(network, { scopes: head, outputs: ['detection.out'], boundaryShapes }, alone);
    expectSameBits(onFeatures, together, ['detection.out']);
  });

  it('leave each other alone: one head’s outputs do not depend on the other head’s state', async () => {
    const reference = await run(
      [forward(BACKBONE, 'VALIDATION'), forward('detection', 'VALIDATION')],
      ['detection.out'],
    );
    for (const state of ['FLOAT', 'VALIDATION'] as const) {
      const found = await run([
        forward(BACKBONE, 'VALIDATION'),
        forward('detection', 'VALIDATION'),
        forward('segmentation', state),
      ]);
      expectSameBits(found, reference, ['detection.out']);
    }
  });

  it('give the same graph in whatever order they are named', () => {
    const scopes = [
      forward(BACKBONE, 'VALIDATION'),
      forward('detection', 'FLOAT'),
      forward('segmentation', 'VALIDATION'),
    ] as const;
    const [a, b, c] = scopes;
    const built = [
      [a, b, c],
      [c, b, a],
      [b, c, a],
      [c, a, b],
    ].map((order) =>
      Buffer.from(
        encodeModel(buildReference(network, { scopes: new Map(order), outputs: everything, batch: BATCH })),
      ).toString('hex'),
    );
    expect(new Set(built).size).toBe(1);
  });

  it('differ where a state differs', async () => {
    const quantised = await run(
      [forward(BACKBONE, 'VALIDATION'), forward('detection', 'VALIDATION')],
      ['detection.out'],
    );
    const floatHead = await run([forward(BACKBONE, 'VALIDATION'), forward('detection', 'FLOAT')], ['detection.out']);
    const floatAll = await run([forward(BACKBONE, 'FLOAT'), forward('detection', 'FLOAT')], ['detection.out']);
    expect(compareOutputs(quantised, floatHead).differences).toHaveLength(1);
    expect(compareOutputs(floatHead, floatAll).differences).toHaveLength(1);
  });
});

describe('loading checkpoints that do not fit', () => {
  const build = (scopes: readonly [string, ScopeForward][]): unknown =>
    buildReference(network, { scopes: new Map(scopes), outputs: OUTPUTS, batch: BATCH });
  const withQuant = (
    scope: string,
    change: (quant: NonNullable<ScopeCheckpoint['quant']>) => NonNullable<ScopeCheckpoint['quant']>,
  ): [string, ScopeForward] => {
    const checkpoint = calibrated.get(scope) as ScopeCheckpoint;
    return [
      scope,
      {
        state: 'VALIDATION',
        checkpoint: { ...checkpoint, quant: change(checkpoint.quant as NonNullable<ScopeCheckpoint['quant']>) },
      },
    ];
  };
  const without = <Value>(values: ReadonlyMap<string, Value>, name: string): ReadonlyMap<string, Value> =>
    new Map([...values].filter(([key]) => key !== name));

  it('refuses to run a float checkpoint quantised', () => {
    const scopes: [string, ScopeForward][] = [
      [BACKBONE, { state: 'VALIDATION', checkpoint: floats.get(BACKBONE)?.checkpoint as ScopeCheckpoint }],
    ];
    expect(() => build(scopes)).toThrow(LoadError);
    expect(() => build(scopes)).toThrow(/scope "backbone" is to run quantised.*state float.*calibrate it first/);
  });

  it('refuses a quantised head on a float backbone', () => {
    const scopes = [forward(BACKBONE, 'FLOAT'), forward('detection', 'VALIDATION')];
    expect(() => build(scopes)).toThrow(LoadError);
    expect(() => build(scopes)).toThrow(/input "backbone.out4.pointwise.relu".*must run in VALIDATION/);
  });

  it('names a missing activation scale and a missing weight scale', () => {
    const activation = withQuant(BACKBONE, (quant) => ({
      ...quant,
      activations: without(quant.activations, BOUNDARY[0]),
    }));
    expect(() => build([activation])).toThrow(
      /scope "backbone" has no scale for activation "backbone.block1.pointwise.relu"/,
    );
    const weight = withQuant(BACKBONE, (quant) => ({
      ...quant,
      weights: without(quant.weights, 'backbone.stem.weight'),
    }));
    expect(() => build([weight])).toThrow(/scope "backbone" has no scales for weight "backbone.stem.weight"/);
  });
});
