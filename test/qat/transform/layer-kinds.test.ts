// Equalisation and bias correction through every kind of layer: grouped and transposed convolutions, Gemm both ways round,
// MatMul with its bias in an Add. The runtime says what the layers compute.
import { describe, expect, it } from 'vitest';
import { BACKBONE, recogniseNetwork } from '../../../src/qat/network/network.ts';
import type { LayerUnit, Network } from '../../../src/qat/network/network.ts';
import { foldLayer } from '../../../src/qat/network/fold.ts';
import { weightLayout } from '../../../src/qat/network/weight-layout.ts';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { float, int, ints } from '../../../src/qat/onnx/ir.ts';
import { initialCheckpoint } from '../../../src/qat/quantize/checkpoint.ts';
import { deployLayer, weightScalesOf } from '../../../src/qat/quantize/deploy.ts';
import { placeQuantizers } from '../../../src/qat/quantize/placement.ts';
import { biasOf, correctBiases } from '../../../src/qat/transform/correct-biases.ts';
import { equaliseScope } from '../../../src/qat/transform/equalise.ts';
import { InputMeans } from '../../../src/qat/transform/input-means.ts';
import { emitLinear } from '../../../src/qat/network/emit-layer.ts';
import { elementCount, floatTensor } from '../../../src/support/tensor.ts';
import type { FloatTensor, Tensor } from '../../../src/support/tensor.ts';
import { Random } from '../../../src/support/random.ts';
import { floatScopes, runReference } from '../checkpoints.ts';
import { relativeDifference } from '../differences.ts';
import { runBuilder } from '../graphs.ts';
import { randomBatch, SIZE, w4a4 } from '../networks.ts';

/** float32 rounds once more per rescaled weight: some ulps of the largest output. */
const FUNCTION_TOLERANCE = 1e-5;
/** Means of some thousand float32 sums. */
const MEAN_TOLERANCE = 1e-5;

/** Conv → grouped ConvTranspose with output padding → Conv over an image, and Gemm → Gemm (transB) → MatMul over a vector. */
function kindsNetwork(): Network {
  const b = new GraphBuilder('m');
  const random = new Random(9);
  const weight = (name: string, shape: readonly number[], draw = () => 0.4 * random.normal()): string => {
    b.initializers.set(name, {
      dtype: 'float32',
      shape,
      data: Float32Array.from({ length: elementCount(shape) }, draw),
    });
    return name;
  };
  // Input channels of very different size, so that there is something to even out.
  const spread = () => 0.4 * random.normal() * 4 ** random.normal();
  const stem = b.emit('Relu', [
    b.emit('Conv', ['image', weight('stem.w', [8, 3, 3, 3], spread), weight('stem.b', [8])], {
      pads: ints([1, 1, 1, 1]),
    }),
  ]);
  const up = b.emit('ConvTranspose', [stem, weight('up.w', [8, 3, 3, 3], spread)], {
    strides: ints([2, 2]),
    pads: ints([1, 0, 2, 1]),
    output_padding: ints([1, 0]),
    dilations: ints([1, 2]),
    group: int(2),
  });
  const norm = b.emit('BatchNormalization', [
    up,
    weight('bn.gamma', [6]),
    weight('bn.beta', [6]),
    weight('bn.mean', [6]),
    weight('bn.variance', [6], () => 0.5 + random.uniform()),
  ]);
  const leaky = b.emit('LeakyRelu', [norm], { alpha: float(0.1) });
  b.emit(
    'Conv',
    [leaky, weight('trunk.w', [4, 3, 3, 3], spread), weight('trunk.b', [4])],
    { group: int(2) },
    {
      outputs: ['trunk'],
    },
  );
  const pooled = b.emit('Flatten', [b.emit('GlobalAveragePool', ['trunk'])]);
  const first = b.emit('Relu', [b.emit('Gemm', [pooled, weight('fc1.w', [4, 10], spread), weight('fc1.b', [10])])]);
  const second = b.emit('Relu', [
    b.emit('Gemm', [first, weight('fc2.w', [6, 10], spread), weight('fc2.b', [6])], { transB: int(1) }),
  ]);
  const product = b.emit('MatMul', [second, weight('fc3.w', [6, 2], spread)]);
  b.emit('Add', [product, weight('fc3.b', [2])], {}, { outputs: ['vector.out'] });
  const graph = b.finish({
    name: 'kinds',
    opset: 18,
    inputs: [{ name: 'image', dtype: 'float32', shape: ['N', 3, SIZE, SIZE] }],
    outputs: [{ name: 'vector.out', dtype: 'float32' }],
  });
  return recogniseNetwork(graph, {
    backbone: { boundary: ['trunk'] },
    heads: { vector: { outputs: ['vector.out'] } },
  });
}

const network = kindsNetwork();
const image = randomBatch(7);
const layersOf = (scope: string): readonly LayerUnit[] =>
  network.units.filter((unit): unit is LayerUnit => unit.kind === 'layer' && unit.scope === scope);

describe.each([
  {
    scope: BACKBONE,
    output: 'trunk',
    pairs: [
      ['stem.w', 'up.w'],
      ['up.w', 'trunk.w'],
    ],
  },
  {
    scope: 'vector',
    output: 'vector.out',
    pairs: [
      ['fc1.w', 'fc2.w'],
      ['fc2.w', 'fc3.w'],
    ],
  },
])('equalisation of $scope', ({ scope, output, pairs }) => {
  it('pairs its layers and keeps what they compute', async () => {
    const float = floatScopes(network);
    const { parameters } = initialCheckpoint(network, scope);
    const found = equaliseScope(network, scope, parameters);
    expect(found.pairs).toEqual(pairs);
    const checkpoint = { ...initialCheckpoint(network, scope), parameters: found.parameters };
    const changed = new Map([...float, [scope, { state: 'FLOAT' as const, checkpoint }]]);
    const outputs = [output];
    const before = await runReference(network, { scopes: float, outputs }, image);
    const after = await runReference(network, { scopes: changed, outputs }, image);
    const [left, right] = [after.get(output)?.data, before.get(output)?.data] as [Float32Array, Float32Array];
    expect(relativeDifference(left, right)).toBeLessThan(FUNCTION_TOLERANCE);
  });

  it('brings the ranges on both sides of every channel together', () => {
    const { parameters } = initialCheckpoint(network, scope);
    const found = equaliseScope(network, scope, parameters).parameters;
    const [last, before] = [...layersOf(scope)].reverse() as [LayerUnit, LayerUnit];
    const ratios = (from: ReadonlyMap<string, FloatTensor>): readonly number[] => {
      const [outputs, inputs] = [channelRanges(before, from, 'output'), channelRanges(last, from, 'input')];
      return [...outputs].map((range, channel) => range / (inputs[channel] as number));
    };
    for (const ratio of ratios(found)) expect(Math.abs(ratio - 1)).toBeLessThan(0.05);
    expect(Math.max(...ratios(parameters).map((ratio) => Math.abs(ratio - 1)))).toBeGreaterThan(0.5);
  });
});

function channelRanges(unit: LayerUnit, from: ReadonlyMap<string, FloatTensor>, side: 'output' | 'input') {
  const { weight } = foldLayer(unit, from);
  const layout = weightLayout(unit.node, weight.shape);
  const ranges = new Float64Array(side === 'output' ? layout.outputs : layout.inputs);
  for (const [index, value] of weight.data.entries()) {
    const channel = side === 'output' ? layout.outputOf(index) : layout.inputOf(index);
    ranges[channel] = Math.max(ranges[channel] as number, Math.abs(value));
  }
  return ranges;
}

describe.each([BACKBONE, 'vector'])('bias correction of %s', (scope) => {
  it('takes away the mean shift that rounding the weights of every kind of layer makes', async () => {
    const { parameters } = initialCheckpoint(network, scope);
    const placement = placeQuantizers(
      network,
      new Map([
        [BACKBONE, w4a4],
        ['vector', w4a4],
      ]),
    );
    const layers = layersOf(scope);
    const names = layers.map(({ input }) => input).filter((input) => input !== 'image');
    const seen = await runReference(network, { scopes: floatScopes(network), outputs: names }, image);
    const inputOf = (unit: LayerUnit) => (seen.get(unit.input) ?? image.get('image')) as Tensor;
    const scales = new Map(
      layers.map((unit) => [unit.weight, weightScalesOf(unit, parameters, formatOf(unit.weight))] as const),
    );
    const means = new Map(
      layers.map((unit) => {
        const kernel = parameters.get(unit.weight)?.shape.slice(2) ?? [];
        expect(InputMeans.canRead(unit, kernel)).toBe(true);
        const inputMeans = new InputMeans(unit, kernel);
        inputMeans.observe(inputOf(unit));
        return [unit.weight, inputMeans.means()] as const;
      }),
    );
    const corrected = correctBiases(network, scope, parameters, placement, scales, means);
    expect(corrected.corrected).toEqual(
      layers.filter((unit) => biasOf(unit) !== undefined).map(({ weight }) => weight),
    );
    for (const unit of layers) {
      const { weight, bias } = foldLayer(unit, parameters);
      const scale = scales.get(unit.weight) as Float32Array;
      const deployed = deployLayer(unit, parameters, scale, formatOf(unit.weight), undefined);
      const rounded = floatTensor(weight.shape, deployed.weights);
      const exact = await channelMeans(unit, inputOf(unit), weight, bias);
      const shifted = await channelMeans(unit, inputOf(unit), rounded, bias);
      const repaired = await channelMeans(unit, inputOf(unit), rounded, foldLayer(unit, corrected.parameters).bias);
      expect(relativeDifference(repaired, exact), unit.weight).toBeLessThan(MEAN_TOLERANCE);
      expect(relativeDifference(shifted, exact), unit.weight).toBeGreaterThan(10 * MEAN_TOLERANCE);
    }

    function formatOf(weight: string) {
      const format = placement.weights.get(weight)?.format;
      if (format === undefined) throw new Error(`no quantiser for ${weight}`);
      return format;
    }
  });
});

/** Computed by the runtime: the mean of every output channel of the layer. */
async function channelMeans(unit: LayerUnit, x: Tensor, weight: FloatTensor, bias: FloatTensor): Promise<Float32Array> {
  const b = new GraphBuilder();
  const y = emitLinear(b, unit, { input: 'x', weight: b.constant(weight, 'w'), bias: b.constant(bias, 'b') });
  const mean = b.emit('ReduceMean', [y, b.int64(x.shape.length === 4 ? [0, 2, 3] : [0])]);
  return (await runBuilder(b, new Map([['x', x]]), [mean])).get(mean)?.data as Float32Array;
}
