// Equalisation keeps the function and evens out ranges; bias correction takes the mean shift of rounded weights away. Both on
// the small network, which holds depthwise chains, batch norms with and without bias, and layers with a bias alone.
import { describe, expect, it } from 'vitest';
import { BACKBONE, recogniseNetwork } from '../../../src/qat/network/network.ts';
import type { LayerUnit } from '../../../src/qat/network/network.ts';
import { foldLayer } from '../../../src/qat/network/fold.ts';
import { initialCheckpoint } from '../../../src/qat/quantize/checkpoint.ts';
import { dequantize, deployLayer, weightScalesOf } from '../../../src/qat/quantize/deploy.ts';
import { placeQuantizers } from '../../../src/qat/quantize/placement.ts';
import { correctBiases } from '../../../src/qat/transform/correct-biases.ts';
import { equaliseScope } from '../../../src/qat/transform/equalise.ts';
import { InputMeans } from '../../../src/qat/transform/input-means.ts';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { floatTensor } from '../../../src/support/tensor.ts';
import type { FloatTensor, Tensor } from '../../../src/support/tensor.ts';
import { floatScopes, runReference, scopeNames } from '../checkpoints.ts';
import { relativeDifference } from '../differences.ts';
import { runBuilder } from '../graphs.ts';
import { BOUNDARY, OUTPUTS, randomBatch, smallNetwork, w4a4 } from '../networks.ts';

/** float32 rounds once more per rescaled weight: some ulps of the largest output. */
const FUNCTION_TOLERANCE = 1e-5;
/** Means of some thousand float32 sums. */
const MEAN_TOLERANCE = 1e-5;

const network = smallNetwork();
const layersOf = (scope: string): readonly LayerUnit[] =>
  network.units.filter((unit): unit is LayerUnit => unit.kind === 'layer' && unit.scope === scope);

describe('cross-layer equalisation', () => {
  it.each(scopeNames(network))('of %s keeps what the network computes', async (scope) => {
    const float = floatScopes(network);
    const { checkpoint } = float.get(scope) as NonNullable<ReturnType<typeof float.get>>;
    const { parameters, pairs } = equaliseScope(network, scope, checkpoint.parameters);
    expect(pairs.length).toBeGreaterThan(0);
    const changed = new Map([
      ...float,
      [scope, { state: 'FLOAT' as const, checkpoint: { ...checkpoint, parameters } }],
    ]);
    const outputs = [...BOUNDARY, ...OUTPUTS];
    const [before, after] = [
      await runReference(network, { scopes: float, outputs }, randomBatch(2)),
      await runReference(network, { scopes: changed, outputs }, randomBatch(2)),
    ];
    for (const name of outputs) {
      const [left, right] = [after.get(name)?.data, before.get(name)?.data] as [Float32Array, Float32Array];
      expect(relativeDifference(left, right)).toBeLessThan(FUNCTION_TOLERANCE);
    }
  });

  it('gives the output channels of a layer the ranges of the input channels of the next', () => {
    const { parameters } = initialCheckpoint(network, BACKBONE);
    const found = equaliseScope(network, BACKBONE, parameters);
    const [first, second] = ['backbone.block4.depthwise.weight', 'backbone.block4.pointwise.weight'].map((weight) =>
      layersOf(BACKBONE).find((unit) => unit.weight === weight),
    ) as [LayerUnit, LayerUnit];
    const ratios = (from: ReadonlyMap<string, FloatTensor>): readonly number[] => {
      const [left, right] = [foldLayer(first, from).weight, foldLayer(second, from).weight];
      const channels = left.shape[0] as number;
      const most = (values: Iterable<number>) => Math.max(...[...values].map(Math.abs));
      return Array.from({ length: channels }, (_, channel) => {
        const own = most(left.data.slice(channel * 9, (channel + 1) * 9));
        return own / most(right.data.filter((_value, at) => at % channels === channel));
      });
    };
    // Only a chain of more layers pulls at these two: at rest they agree to the threshold of the sweeps.
    for (const ratio of ratios(found.parameters)) expect(Math.abs(ratio - 1)).toBeLessThan(0.01);
    expect(Math.max(...ratios(parameters).map((ratio) => Math.abs(ratio - 1)))).toBeGreaterThan(0.1);
  });

  it('leaves a layer alone that shares β or its bias with another, which would be scaled along', () => {
    const { parameters } = initialCheckpoint(network, BACKBONE);
    const [first] = equaliseScope(network, BACKBONE, parameters).pairs[0] as readonly [string, string];
    const { norm } = layersOf(BACKBONE).find(({ weight }) => weight === first) as LayerUnit;
    const [scale, beta] = (norm?.inputs ?? []).slice(1, 3) as [string, string];
    const channels = parameters.get(beta)?.shape.join();
    const other = layersOf(BACKBONE).find(
      (unit) =>
        unit.norm !== undefined &&
        unit.weight !== first &&
        parameters.get(unit.norm.inputs[2] as string)?.shape.join() === channels,
    );
    const nodes = network.graph.nodes.map((node) =>
      node === other?.norm ? { ...node, inputs: node.inputs.map((name, at) => (at === 2 ? beta : name)) } : node,
    );
    const sharing = recogniseNetwork({ ...network.graph, nodes }, network.scopes);
    const found = equaliseScope(sharing, BACKBONE, initialCheckpoint(sharing, BACKBONE).parameters);
    expect(found.pairs.length).toBeGreaterThan(0);
    expect(found.pairs.map(([weight]) => weight)).not.toContain(first);
    expect([scale, beta].filter((name) => found.touched.has(name))).toEqual([]);
  });

  it('changes only the tensors it names, none of another scope, and nothing across a boundary', () => {
    for (const scope of scopeNames(network)) {
      const { parameters } = initialCheckpoint(network, scope);
      const found = equaliseScope(network, scope, parameters);
      for (const [name, tensor] of parameters)
        if (!found.touched.has(name)) expect(found.parameters.get(name)).toBe(tensor);
      expect([...found.touched].every((name) => parameters.has(name))).toBe(true);
      const inner = layersOf(scope).filter((unit) => (BOUNDARY as readonly string[]).includes(unit.output));
      for (const { weight } of inner) expect(found.pairs.map(([first]) => first)).not.toContain(weight);
    }
  });
});

describe('bias correction', () => {
  it('takes away the mean shift of every layer that rounding its weights makes', async () => {
    const float = floatScopes(network);
    const { parameters } = initialCheckpoint(network, BACKBONE);
    const placement = placeQuantizers(network, new Map([[BACKBONE, w4a4]]));
    const layers = layersOf(BACKBONE);
    const seen = await runReference(
      network,
      { scopes: float, outputs: layers.map(({ input }) => input) },
      randomBatch(3),
    );
    const inputs = new Map(
      layers.map((unit) => [unit.weight, (seen.get(unit.input) ?? randomBatch(3).get('image')) as Tensor]),
    );
    const scales = new Map(
      layers.map((unit) => [unit.weight, weightScalesOf(unit, parameters, formatOf(unit.weight))] as const),
    );
    const means = new Map(
      layers.map((unit) => {
        const [, , height = 1, width = 1] = parameters.get(unit.weight)?.shape ?? [];
        const found = new InputMeans(unit, [height, width]);
        found.observe(inputs.get(unit.weight) as Tensor);
        return [unit.weight, found.means()] as const;
      }),
    );
    const { parameters: after, corrected } = correctBiases(network, BACKBONE, parameters, placement, scales, means);
    expect(corrected).toEqual(layers.map(({ weight }) => weight));
    for (const unit of layers) {
      const scale = scales.get(unit.weight) as Float32Array;
      const { weightShape, weightSteps } = deployLayer(unit, parameters, scale, formatOf(unit.weight), 1);
      const rounded = floatTensor(weightShape, dequantize(weightSteps, scale));
      const input = inputs.get(unit.weight) as Tensor;
      const exact = await channelMeans(
        unit,
        input,
        foldLayer(unit, parameters).weight,
        foldLayer(unit, parameters).bias,
      );
      const shifted = await channelMeans(unit, input, rounded, foldLayer(unit, parameters).bias);
      const repaired = await channelMeans(unit, input, rounded, foldLayer(unit, after).bias);
      expect(relativeDifference(repaired, exact)).toBeLessThan(MEAN_TOLERANCE);
      expect(relativeDifference(shifted, exact)).toBeGreaterThan(10 * MEAN_TOLERANCE);
    }

    function formatOf(weight: string) {
      const format = placement.weights.get(weight)?.format;
      if (format === undefined) throw new Error(`no quantiser for ${weight}`);
      return format;
    }
  });
});

/** Computed by the runtime: the mean of every output channel of the convolution. */
async function channelMeans(unit: LayerUnit, x: Tensor, weight: FloatTensor, bias: FloatTensor): Promise<Float32Array> {
  const b = new GraphBuilder();
  const y = b.emit('Conv', ['x', b.constant(weight, 'w'), b.constant(bias, 'b')], unit.node.attributes);
  const mean = b.emit('ReduceMean', [y, b.int64([0, 2, 3])]);
  return (await runBuilder(b, new Map([['x', x]]), [mean])).get(mean)?.data as Float32Array;
}
