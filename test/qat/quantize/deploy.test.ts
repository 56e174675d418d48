// The deployed form of a layer: batch norm folded, weights on their per-channel grid, biases on the accumulators' grid.
import { describe, expect, it } from 'vitest';
import { foldLayer } from '../../../src/qat/network/fold.ts';
import type { Parameters } from '../../../src/qat/network/fold.ts';
import type { LayerUnit } from '../../../src/qat/network/network.ts';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { deployLayer, dequantize, weightScalesOf } from '../../../src/qat/quantize/deploy.ts';
import { EPSILON, fakeQuantValue, roundHalfEven } from '../../../src/qat/quantize/scheme.ts';
import { floatTensor } from '../../../src/support/tensor.ts';
import { Random } from '../../../src/support/random.ts';
import { relativeDifference, sameBits } from '../differences.ts';
import { randomTensor, runBuilder } from '../graphs.ts';
import { parametersOf, smallNetwork } from '../networks.ts';

const FOLDING_TOLERANCE = 1e-6;
const INT32_MAX = 2 ** 31 - 1;

const network = smallNetwork();
const parameters = parametersOf(network);
const int8 = { bits: 8, signed: true };

function layer(weight: string): LayerUnit {
  const unit = network.units.find(
    (candidate): candidate is LayerUnit => candidate.kind === 'layer' && candidate.weight === weight,
  );
  if (unit === undefined) throw new Error(`no layer ${weight}`);
  return unit;
}

const changed = (name: string, change: (values: Float32Array) => void): Parameters => {
  const tensor = parameters.get(name);
  if (tensor === undefined) throw new Error(`no parameter ${name}`);
  const data = tensor.data.slice();
  change(data);
  return new Map([...parameters, [name, floatTensor(tensor.shape, data)]]);
};

describe('folding batch norm', () => {
  it.each(['backbone.stem.weight', 'backbone.lateral.weight', 'backbone.block2.depthwise.weight'])(
    'keeps what the layer computes: %s',
    async (weight) => {
      const unit = layer(weight);
      const folded = foldLayer(unit, parameters);
      const perGroup = folded.weight.shape[1] as number;
      const group = unit.node.attributes['group']?.kind === 'int' ? unit.node.attributes['group'].value : 1;
      const x = randomTensor(new Random(3), [2, perGroup * group, 6, 6]);
      const b = new GraphBuilder();
      for (const [name, tensor] of parameters) b.initializers.set(name, tensor);
      b.nodes.push({ ...unit.node, inputs: ['x', ...unit.node.inputs.slice(1)] });
      if (unit.norm !== undefined) b.nodes.push(unit.norm);
      const reference = unit.norm?.outputs[0] ?? '';
      const once = b.emit('Conv', ['x', b.constant(folded.weight), b.constant(folded.bias)], unit.node.attributes);
      const results = await runBuilder(b, new Map([['x', x]]), [reference, once]);
      const difference = relativeDifference(
        results.get(once)?.data as Float32Array,
        results.get(reference)?.data as Float32Array,
      );
      expect(difference).toBeLessThanOrEqual(FOLDING_TOLERANCE);
    },
  );

  it('leaves a layer without batch norm as it is', () => {
    const { weight, bias } = foldLayer(layer('detection.hidden.weight'), parameters);
    expect(weight).toBe(parameters.get('detection.hidden.weight'));
    expect(sameBits(bias.data, parameters.get('detection.hidden.bias')?.data as Float32Array)).toBe(true);
  });

  it('gives a layer without bias a bias of zeros, and names a parameter that is not loaded', () => {
    const unit = layer('backbone.stem.weight');
    const { norm: _, ...bare } = unit;
    expect(foldLayer(bare, parameters).bias.data).toEqual(new Float32Array(4));
    expect(() =>
      foldLayer(unit, new Map([...parameters].filter(([name]) => name !== 'backbone.stem.bn.gamma'))),
    ).toThrow(/"backbone.stem.bn.gamma" is not loaded/);
  });
});

describe('a deployed layer', () => {
  const unit = layer('backbone.lateral.weight');
  const scales = weightScalesOf(unit, parameters, int8);
  const inputScale = Math.fround(0.0173);
  const deployed = deployLayer(unit, parameters, scales, int8, inputScale);
  const folded = foldLayer(unit, parameters);

  it('takes its weight scales from the folded weights, one per output channel', () => {
    const perChannel = folded.weight.data.length / scales.length;
    for (const [channel, scale] of scales.entries()) {
      const values = folded.weight.data.subarray(channel * perChannel, (channel + 1) * perChannel);
      expect(scale).toBe(Math.fround(Math.max(...values.map(Math.abs)) / 127.5));
    }
  });

  it('holds the fake-quantised folded weights, which quantise to themselves', () => {
    const weights = dequantize(deployed.weightSteps, deployed.weightScales);
    const perChannel = weights.length / scales.length;
    const expected = folded.weight.data.map((value, index) =>
      fakeQuantValue(value, scales[Math.floor(index / perChannel)] as number, int8),
    );
    expect(weights.every((value, index) => value === expected[index])).toBe(true);
    const { norm: _, bias: __, ...bare } = unit;
    const again = deployLayer(
      bare,
      new Map([[unit.weight, floatTensor(deployed.weightShape, weights)]]),
      scales,
      int8,
      inputScale,
    );
    expect(again.weightSteps).toEqual(deployed.weightSteps);
  });

  it('puts each bias on the grid s_x·s_w of the accumulators', () => {
    for (const [channel, bias] of folded.bias.data.entries()) {
      const grid = Math.fround(inputScale * (scales[channel] as number));
      expect(deployed.biasGrid?.scales[channel]).toBe(grid);
      expect(deployed.biasGrid?.steps[channel]).toBe(roundHalfEven(bias / grid));
    }
    expect(deployed.weightScales).toEqual(scales);
  });

  it('raises a weight scale where the bias would leave the sum of products no room in an int32, and quantises the weights with the raised one', () => {
    const huge = changed('detection.hidden.bias', (values) => values.set([3e6, -3e6]));
    const hidden = layer('detection.hidden.weight');
    const own = weightScalesOf(hidden, huge, int8);
    const raised = deployLayer(hidden, huge, own, int8, 1e-5);
    for (const channel of [0, 1]) {
      expect(raised.weightScales[channel]).toBeGreaterThan(own[channel] as number);
      const steps = Math.abs(raised.biasGrid?.steps[channel] as number);
      expect(steps / (INT32_MAX / 2)).toBeCloseTo(1, 5);
      const value = raised.bias[channel] as number;
      expect(Math.abs(value / (huge.get('detection.hidden.bias')?.data[channel] as number) - 1)).toBeLessThan(1e-6);
      const weight = huge.get('detection.hidden.weight')?.data[channel * 16 * 9] as number;
      expect(raised.weightSteps[channel * 16 * 9]).toBe(
        roundHalfEven(Math.fround(weight / (raised.weightScales[channel] as number))) + 0,
      );
    }
    expect(raised.weightScales.subarray(2)).toEqual(own.subarray(2));
  });

  it('stays finite where all weights of a channel are zero', () => {
    const dead = changed('detection.hidden.weight', (values) => values.fill(0, 0, 16 * 9));
    const hidden = layer('detection.hidden.weight');
    const own = weightScalesOf(hidden, dead, int8);
    expect(own[0]).toBe(EPSILON);
    const { weightSteps, weightScales, bias: biases } = deployLayer(hidden, dead, own, int8, 0.01);
    expect([...weightSteps.subarray(0, 16 * 9)].every((step) => step === 0)).toBe(true);
    const bias = biases[0] as number;
    expect(Math.abs(bias - (dead.get('detection.hidden.bias')?.data[0] as number))).toBeLessThan(1e-6);
    expect(weightScales.every((scale) => Number.isFinite(scale) && scale > 0)).toBe(true);
  });

  it('uses 16-bit steps for 16-bit weights and stays inside 4-bit limits', () => {
    const wide = { bits: 16, signed: true };
    expect(
      deployLayer(unit, parameters, weightScalesOf(unit, parameters, wide), wide, inputScale).weightSteps,
    ).toBeInstanceOf(Int16Array);
    const narrow = { bits: 4, signed: true };
    const { weightSteps } = deployLayer(unit, parameters, weightScalesOf(unit, parameters, narrow), narrow, inputScale);
    expect(Math.min(...weightSteps)).toBeGreaterThanOrEqual(-8);
    expect(Math.max(...weightSteps)).toBeLessThanOrEqual(7);
  });
});
