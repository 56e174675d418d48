// A weight that layers use in different ways, and the net under the folding of all of them.
import { describe, expect, it } from 'vitest';
import { foldLayer } from '../../src/qat/network/fold.ts';
import { weightLayout } from '../../src/qat/network/weight-layout.ts';
import { proveDeployedForm } from '../../src/qat/proof/deployed-form.ts';
import { floatTensor } from '../../src/support/tensor.ts';
import { calibrate, quantisedScopes, runReference, floatScopes } from '../qat/checkpoints.ts';
import { relativeDifference } from '../qat/differences.ts';
import { parametersOf, randomBatch, w8a8 } from '../qat/networks.ts';
import { normalisedAxes, sharedWeights } from '../qat/odd-layers.ts';
import { networkWithHeads } from '../qat/one-backbone.ts';

const batch = randomBatch(1);

/** Of a head with two layers at 8 bits; folded as the other use it was off by more than its own size. */
const EIGHT_BIT_TOLERANCE = 0.1;

type Cases = typeof sharedWeights;

describe('a layer', () => {
  it('gives each use of a weight its own folding and its own scales', async () => {
    const network = await networkWithHeads(sharedWeights['one weight under two batch norms'] as Cases[string]);
    const uses = network.units.flatMap((unit) => (unit.kind === 'layer' && unit.weight === 'w2' ? [unit] : []));
    expect(uses.map(({ quantiser, linear }) => [quantiser, linear])).toEqual([
      ['w2', uses[0]?.linear],
      [`w2@${uses[1]?.linear ?? ''}`, uses[1]?.linear],
    ]);
    const checkpoints = await calibrate(network, w8a8);
    const scales = uses.map(({ quantiser }) => checkpoints.get('one')?.quant?.weights.get(quantiser) ?? []);
    const [large = 0, small = 0] = scales.map((of) => Math.max(...of));
    // The γ of the one is sixteen times the other's.
    expect(large / small).toBeGreaterThan(8);
    expect([...checkpoints.values()].filter(({ parameters }) => parameters.has('w2')).length).toBe(1);

    const outputs = ['one', 'two'];
    const float = await runReference(network, { scopes: floatScopes(network), outputs }, batch);
    const deployed = await runReference(network, { scopes: quantisedScopes(checkpoints), outputs }, batch);
    for (const name of outputs) {
      const [left, right] = [deployed, float].map((values) => values.get(name)?.data as Float32Array);
      expect(relativeDifference(left as Float32Array, right as Float32Array), name).toBeLessThan(EIGHT_BIT_TOLERANCE);
    }
  });

  it('finds a layer that was folded along another axis, before anything of it is kept', async () => {
    const network = await networkWithHeads(normalisedAxes['a product of two axes'] as Cases[string]);
    const layer = network.units.find((unit) => unit.kind === 'layer' && unit.norm !== undefined);
    const name = layer?.kind === 'layer' ? layer.weight : '';
    const { problem } = await proveDeployedForm({
      network,
      parameters: parametersOf(network),
      scopes: new Set(['one']),
      images: batch.get('image') as Parameters<typeof proveDeployedForm>[0]['images'],
      threads: 1,
      fold: (unit, parameters) => {
        const right = foldLayer(unit, parameters);
        if (unit.weight !== name) return right;
        const unfolded = parameters.get(name)?.data ?? new Float32Array();
        const { inputOf, outputOf, outputs } = weightLayout(unit.node, right.weight.shape);
        const factors = new Float32Array(outputs);
        unfolded.forEach((value, index) => (factors[outputOf(index)] = (right.weight.data[index] as number) / value));
        const along = unfolded.map((value, index) => value * (factors[inputOf(index) % outputs] as number));
        return { ...right, weight: floatTensor(right.weight.shape, along) };
      },
    });
    expect(problem).toContain(`layer "${name}" differs from the float graph`);
  });
});
