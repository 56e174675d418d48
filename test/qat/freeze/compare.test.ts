// Bit-for-bit comparison: every kind of change in a frozen scope is named with its tensor, index, old and new value.
import { beforeAll, describe, expect, it } from 'vitest';
import { compareCheckpoints, compareOutputs, compareTensors } from '../../../src/qat/freeze/compare.ts';
import type { Difference } from '../../../src/qat/freeze/compare.ts';
import type { QuantState, ScopeCheckpoint } from '../../../src/qat/quantize/checkpoint.ts';
import { floatTensor } from '../../../src/support/tensor.ts';
import type { FloatTensor, Tensor } from '../../../src/support/tensor.ts';
import type { Digest } from '../../../src/support/digest.ts';
import { calibrate } from '../checkpoints.ts';
import { smallNetwork, w8a16, w8a8 } from '../networks.ts';

let frozen: ScopeCheckpoint;

beforeAll(async () => {
  frozen = (await calibrate(smallNetwork(), w8a8)).get('backbone') as ScopeCheckpoint;
});

function oneUlpUp(values: Float32Array, index: number): Float32Array {
  const moved = values.slice();
  const bits = new Int32Array(moved.buffer);
  bits[index] = (bits[index] as number) + 1;
  return moved;
}

const withParameter = (name: string, change: (tensor: FloatTensor) => FloatTensor): ScopeCheckpoint => ({
  ...frozen,
  parameters: new Map([...frozen.parameters].map(([key, tensor]) => [key, key === name ? change(tensor) : tensor])),
});
const withQuant = (change: (quant: QuantState) => Partial<QuantState>): ScopeCheckpoint => {
  const quant = frozen.quant as QuantState;
  return { ...frozen, quant: { ...quant, ...change(quant) } };
};
const differencesTo = (after: ScopeCheckpoint): readonly Difference[] => compareCheckpoints(frozen, after).differences;

describe('comparing checkpoints', () => {
  it('finds nothing in an equal copy, and counts what it compared', () => {
    const copy = withParameter('none', (tensor) => tensor);
    for (let round = 0; round < 20; round++) expect(differencesTo(copy)).toEqual([]);
    const { tensors, values } = compareCheckpoints(frozen, copy);
    expect(tensors).toBeGreaterThan(frozen.parameters.size);
    expect(values).toBeGreaterThan(1000);
  });

  it.each([
    'backbone.block3.pointwise.weight',
    'backbone.stem.bn.mean',
    'backbone.stem.bn.variance',
    'backbone.lateral.bias',
  ])('names one ulp of %s', (name) => {
    const after = withParameter(name, (tensor) => floatTensor(tensor.shape, oneUlpUp(tensor.data, 2)));
    const [found, ...others] = differencesTo(after);
    expect(others).toEqual([]);
    expect(found).toMatchObject({ tensor: `parameter.${name}`, index: 2 });
    expect(Number(found?.before)).toBeCloseTo(Number(found?.after), 5);
    expect(found?.before).not.toBe(found?.after);
  });

  it.each(['min', 'max', 'scale'] as const)('names one ulp of an activation’s %s', (field) => {
    const after = withQuant(({ activations }) => ({
      activations: new Map(
        [...activations].map(([name, range]) => [
          name,
          name === 'image' ? { ...range, [field]: oneUlpUp(Float32Array.of(range[field]), 0)[0] } : range,
        ]),
      ),
    }));
    expect(differencesTo(after)).toMatchObject([{ tensor: `activation.image.${field}`, index: 0 }]);
  });

  it('names one ulp of one channel’s weight scale', () => {
    const after = withQuant(({ weights }) => ({
      weights: new Map(
        [...weights].map(([name, scales]) => [name, name === 'backbone.stem.weight' ? oneUlpUp(scales, 3) : scales]),
      ),
    }));
    expect(differencesTo(after)).toMatchObject([{ tensor: 'weight.backbone.stem.weight.scale', index: 3 }]);
  });

  it('names a change of state, profile, scope, graph and backbone', () => {
    expect(differencesTo({ ...frozen, state: 'qat' })).toEqual([
      { tensor: 'state', index: -1, before: 'calibrated', after: 'qat' },
    ]);
    expect(differencesTo(withQuant(() => ({ profile: w8a16 })))).toMatchObject([{ tensor: 'profile' }]);
    expect(differencesTo({ ...frozen, scope: 'detection' })).toMatchObject([{ tensor: 'scope', after: 'detection' }]);
    expect(differencesTo({ ...frozen, graph: 'sha256:1' as Digest })).toMatchObject([{ tensor: 'graph' }]);
    expect(differencesTo({ ...frozen, backbone: 'sha256:2' as Digest })).toMatchObject([
      { tensor: 'backbone', before: 'none' },
    ]);
  });

  it('names a missing tensor, a new one and one of another shape', () => {
    const missing = {
      ...frozen,
      parameters: new Map([...frozen.parameters].filter(([name]) => name !== 'backbone.stem.weight')),
    };
    expect(differencesTo(missing)).toEqual([
      { tensor: 'parameter.backbone.stem.weight', index: -1, before: 'float32[4, 3, 3, 3]', after: 'missing' },
    ]);
    expect(compareCheckpoints(missing, frozen).differences).toMatchObject([
      { tensor: 'parameter.backbone.stem.weight', before: 'missing' },
    ]);
    const flat = withParameter('backbone.stem.weight', ({ data }) => floatTensor([data.length], data));
    expect(differencesTo(flat)).toMatchObject([{ index: -1, before: 'float32[4, 3, 3, 3]', after: 'float32[108]' }]);
  });

  it('takes −0 for another value than +0, and a NaN for itself', () => {
    const named = (...values: readonly number[]): ReadonlyMap<string, Tensor> =>
      new Map([['t', floatTensor([values.length], Float32Array.from(values))]]);
    expect(compareTensors(named(1, 0), named(1, -0)).differences).toMatchObject([{ index: 1 }]);
    expect(compareTensors(named(NaN), named(NaN)).differences).toEqual([]);
  });

  it('reports the first difference of every tensor that differs', () => {
    const all = (value: number): ReadonlyMap<string, Tensor> =>
      new Map(['a', 'b'].map((name) => [name, floatTensor([3], Float32Array.of(0, value, value))]));
    expect(compareTensors(all(1), all(2)).differences).toEqual([
      { tensor: 'a', index: 1, before: '1.00000000', after: '2.00000000' },
      { tensor: 'b', index: 1, before: '1.00000000', after: '2.00000000' },
    ]);
  });
});

describe('comparing outputs', () => {
  const output = (...values: readonly number[]): ReadonlyMap<string, Tensor> =>
    new Map([['y', floatTensor([values.length], Float32Array.from(values))]]);

  it('takes −0 for +0 and no NaN for anything', () => {
    expect(compareOutputs(output(0, 1), output(-0, 1)).differences).toEqual([]);
    expect(compareOutputs(output(NaN), output(NaN)).differences).toMatchObject([
      { tensor: 'y', index: 0, before: 'NaN', after: 'NaN' },
    ]);
    expect(compareOutputs(output(1), output(1 + 2 ** -23)).differences).toMatchObject([{ index: 0 }]);
  });

  it('names an output that is missing or of another shape', () => {
    expect(compareOutputs(output(1), new Map()).differences).toMatchObject([{ after: 'missing' }]);
    expect(compareOutputs(output(1), output(1, 2)).differences).toMatchObject([
      { before: 'float32[1]', after: 'float32[2]' },
    ]);
  });
});
