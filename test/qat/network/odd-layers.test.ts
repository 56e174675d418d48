// Layers that share weights, normalise another axis than their channels, or have one bias for all of them: what is deployed,
// trained and exported is the float network, but for the rounding of fine formats.
import { describe, expect, it } from 'vitest';
import { exportFloat } from '../../../src/qat/export/float-model.ts';
import { exportQdq } from '../../../src/qat/export/qdq.ts';
import { compareOutputs } from '../../../src/qat/freeze/compare.ts';
import { foldIntoWeights } from '../../../src/qat/network/fold.ts';
import type { Network } from '../../../src/qat/network/network.ts';
import { placeQuantizers } from '../../../src/qat/quantize/placement.ts';
import type { Profile } from '../../../src/qat/quantize/scheme.ts';
import type { TrainState } from '../../../src/qat/train/forward.ts';
import { compileProgram } from '../../../src/qat/train/program.ts';
import { Trainer } from '../../../src/qat/train/trainer.ts';
import type { FloatTensor, Tensor } from '../../../src/support/tensor.ts';
import { calibrate, floatScopes, quantisedScopes, runReference, scopeNames } from '../checkpoints.ts';
import { relativeDifference } from '../differences.ts';
import { runGraph } from '../graphs.ts';
import { BATCH, randomBatch, w8a8 } from '../networks.ts';
import { normalisedAxes, oneBias, sharedWeights } from '../odd-layers.ts';
import { networkWithHeads } from '../one-backbone.ts';

/** 16 bits: what is left is a rounding in 65,536, so that any other difference shows. */
const fine: Profile = { weights: { bits: 16 }, activations: { bits: 16, unsignedAfterRelu: false } };
const FINE_TOLERANCE = 1e-3;
/** Folding batch norm changes the order of float operations. */
const FOLDING_TOLERANCE = 1e-5;
/** A mean square error over the mean square: biases lie on a grid when deployed, and are float in training. */
const TRAINED_TOLERANCE = 1e-6;

const optimizer = { kind: 'sgd', weightDecay: 0, momentum: 0 } as const;
const image = randomBatch(1);

const outputsOf = ({ scopes }: Network): readonly string[] =>
  Object.values(scopes.heads).flatMap((head) => [...head.outputs]);

const dataOf = (values: ReadonlyMap<string, Tensor>, name: string): Float32Array =>
  values.get(name)?.data as Float32Array;

describe.each([
  ['a shared weight', sharedWeights],
  ['a normalised axis', normalisedAxes],
  ['one bias for all channels', oneBias],
] as const)('%s', (_, cases) => {
  describe.each(Object.keys(cases))('%s', (what) => {
    const make = (): Promise<Network> => networkWithHeads(cases[what] as (typeof cases)[string]);

    it('computes in fine formats what it computes in float', async () => {
      const network = await make();
      const outputs = outputsOf(network);
      const float = await runReference(network, { scopes: floatScopes(network), outputs }, image);
      const original = await runGraph(network.graph, image);
      const scopes = quantisedScopes(await calibrate(network, fine));
      const deployed = await runReference(network, { scopes, outputs }, image);
      for (const name of outputs) {
        expect(relativeDifference(dataOf(float, name), dataOf(original, name)), name).toBeLessThanOrEqual(1e-6);
        expect(relativeDifference(dataOf(deployed, name), dataOf(float, name)), name).toBeLessThan(FINE_TOLERANCE);
      }
    });

    it('is exported bit-equal to what was validated, and as a float model with its batch norms folded', async () => {
      const network = await make();
      const outputs = outputsOf(network);
      const checkpoints = await calibrate(network, w8a8);
      const scopes = quantisedScopes(checkpoints);
      const validated = await runReference(network, { scopes, outputs }, image);
      const shapes = new Map([...validated].map(([name, { shape }]) => [name, shape.slice(1)]));
      const { graph, scales } = exportQdq(network, scopes, shapes);
      expect(compareOutputs(validated, await runGraph(graph, image)).differences).toEqual([]);
      const layers = scales.filter(({ kind }) => kind === 'weight').map(({ tensor }) => tensor);
      expect(new Set(layers)).toEqual(
        new Set([...checkpoints.values()].flatMap(({ quant }) => [...(quant?.weights.keys() ?? [])])),
      );

      const parameters = new Map([...checkpoints.values()].flatMap((checkpoint) => [...checkpoint.parameters]));
      const handOver = exportFloat(network, parameters, shapes);
      for (const weight of new Set(layers)) expect(handOver.initializers.has(weight), weight).toBe(true);
      const float = await runReference(network, { scopes: floatScopes(network), outputs }, image);
      const found = await runGraph(handOver, image);
      for (const name of outputs)
        expect(relativeDifference(dataOf(found, name), dataOf(float, name)), name).toBeLessThan(FOLDING_TOLERANCE);
    });

    it.each(['frozen', 'folded', 'train', 'kept'] as const)(
      'is trained from what was validated, weights tied: batch norm %s',
      async (batchNorm) => {
        const network = await make();
        const { trainer, data, start } = await startTraining(network, batchNorm);
        const still = { learningRate: 0, averagingConstant: 0 };
        const first = (await trainer.step(data, still)).get('loss') as number;
        // With the batch's own statistics the forward is another one.
        if (batchNorm === 'frozen' || batchNorm === 'folded') expect(first).toBeLessThan(TRAINED_TOLERANCE);
        else expect(Number.isFinite(first)).toBe(true);
        await trainer.step(data, { learningRate: 0.01, averagingConstant: 0 });
        const trained = trainer.parameters();
        expect([...trained.keys()].every((name) => start.has(name))).toBe(true);
        for (const [name, { data: values }] of trained) expect(values.every(Number.isFinite), name).toBe(true);
        await trainer.release();
      },
    );
  });
});

/** Towards the validated outputs. */
async function startTraining(network: Network, batchNorm: TrainState['batchNorm']) {
  const outputs = outputsOf(network);
  const names = scopeNames(network);
  const calibrated = await calibrate(network, fine);
  const all = [...calibrated.values()];
  const taught = await runReference(network, { scopes: quantisedScopes(calibrated), outputs }, image);
  const start = new Map<string, FloatTensor>(all.flatMap(({ parameters }) => [...parameters]));
  const parameters = batchNorm === 'folded' ? foldIntoWeights(network, start) : start;
  const ranges = new Map(all.flatMap(({ quant }) => [...(quant?.activations ?? [])]));
  const program = await compileProgram({
    network,
    scopes: new Map(names.map((scope) => [scope, { state: 'QAT', trained: true, batchNorm }])),
    placement: placeQuantizers(network, new Map(names.map((scope) => [scope, fine]))),
    constants: parameters,
    ranges,
    activationScales: 'fixed',
    losses: outputs.map((output) => ({
      kind: 'distill',
      normalised: true,
      output,
      target: `target.${output}`,
      weight: 1,
    })),
    targets: outputs.map((output) => ({
      name: `target.${output}`,
      dtype: 'float32',
      shape: taught.get(output)?.shape ?? [],
    })),
    batch: BATCH,
    boundaryShapes: new Map(),
    optimizer,
    momentum: 0.1,
  });
  const trainer = await Trainer.start(program, optimizer, 1, { parameters, ranges });
  const data = new Map<string, Tensor>([[network.input.name, image.get('image') as Tensor]]);
  for (const [name, tensor] of taught) data.set(`target.${name}`, tensor);
  return { trainer, data, start };
}
