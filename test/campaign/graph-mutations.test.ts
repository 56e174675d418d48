// Whatever quiet fault is planted into one layer, one of the two nets under the kernel catches it and names the layer; sound
// networks of every kind raise nothing.
import { beforeAll, expect, it } from 'vitest';
import { recogniseNetwork } from '../../src/qat/network/network.ts';
import type { Network } from '../../src/qat/network/network.ts';
import { foldLayer as foldRight } from '../../src/qat/network/fold.ts';
import { FOLDING_TOLERANCE, proveDeployedForm } from '../../src/qat/proof/deployed-form.ts';
import { weightsOnGrid } from '../../src/qat/proof/weight-grid.ts';
import type { ScopeCheckpoint } from '../../src/qat/quantize/checkpoint.ts';
import { placeQuantizers } from '../../src/qat/quantize/placement.ts';
import type { Profile } from '../../src/qat/quantize/scheme.ts';
import type { Tensor } from '../../src/support/tensor.ts';
import { calibrate, scopeNames } from '../qat/checkpoints.ts';
import { MANY_SCOPES, manyKinds } from '../qat/many-kinds.ts';
import { parametersOf, randomBatch, smallNetwork, w4a4, w8a16, w8a8 } from '../qat/networks.ts';
import { normalisedAxes, oneBias, sharedWeights } from '../qat/odd-layers.ts';
import { networkWithHeads } from '../qat/one-backbone.ts';
import { deployAs, mutations } from './graph-mutations.ts';
import type { Mutation } from './graph-mutations.ts';

const images = randomBatch(3).get('image') as Tensor;
const threads = 1;

/** What either net says, for weights in the formats of `profile`. */
async function problemsOf(
  network: Network,
  profile: Profile,
  mutation?: Mutation,
  known?: ReadonlyMap<string, ScopeCheckpoint>,
): Promise<{ readonly problems: readonly string[]; readonly largest: number; readonly clipped: number }> {
  const scopes = new Set(scopeNames(network));
  const { layer, unit, fold } = mutation ?? {};
  const units = network.units.map((own) =>
    own.kind === 'layer' && own.weight === layer && unit !== undefined ? unit(own, network) : own,
  );
  const form = await proveDeployedForm({
    network: { ...network, units },
    parameters: parametersOf(network),
    scopes,
    images,
    threads,
    ...(fold === undefined
      ? {}
      : { fold: (own, parameters) => (own.weight === layer ? fold(own, parameters) : foldRight(own, parameters)) }),
  });
  const checkpoints = known ?? (await calibrate(network, profile));
  const placement = placeQuantizers(network, new Map([...scopes].map((scope) => [scope, profile])));
  const problems = form.problem === undefined ? [] : [form.problem];
  let clipped = 0;
  for (const checkpoint of checkpoints.values()) {
    const changed = withScales(checkpoint, mutation);
    const grid = weightsOnGrid(network, placement, changed, false, mutation && deployAs(mutation));
    if (grid.problem !== undefined) problems.push(grid.problem);
    clipped += grid.clipped;
  }
  return { problems, largest: form.largest, clipped };
}

function withScales(checkpoint: ScopeCheckpoint, mutation: Mutation | undefined): ScopeCheckpoint {
  const { quant } = checkpoint;
  const own = quant?.weights.get(mutation?.layer ?? '');
  if (quant === undefined || own === undefined || mutation?.scales === undefined) return checkpoint;
  const weights = new Map([...quant.weights, [mutation.layer, mutation.scales(own, quant.weights)]]);
  return { ...checkpoint, quant: { ...quant, weights } };
}

const small = smallNetwork();
let calibrated: ReadonlyMap<string, ScopeCheckpoint>;
beforeAll(async () => {
  calibrated = await calibrate(small, w8a8);
});

it('plants at least twenty kinds of fault', () => {
  expect(Object.keys(mutations).length).toBeGreaterThanOrEqual(20);
});

it.each(Object.keys(mutations))('is caught by a net, and its layer named: %s', async (what) => {
  const mutation = mutations[what] as Mutation;
  const { problems } = await problemsOf(small, w8a8, mutation, calibrated);
  expect(problems.length, what).toBeGreaterThan(0);
  expect(problems.some((problem) => problem.includes(mutation.layer) || what.startsWith('the activation'))).toBe(true);
});

const odd = { ...sharedWeights, ...normalisedAxes, ...oneBias };
const profiles: { readonly [name: string]: Profile } = { w8a8, w8a16, w4a4 };

it.each(Object.keys(odd))('raises nothing for a sound network: %s', async (what) => {
  const network = await networkWithHeads(odd[what] as (typeof odd)[string]);
  const { problems, largest } = await problemsOf(network, w8a8);
  expect(problems).toEqual([]);
  // Far enough below for other processors.
  expect(largest).toBeLessThan(FOLDING_TOLERANCE / 5);
});

it.each(Object.keys(profiles))(
  'raises nothing for networks of every kind of layer, and tells what is clipped: %s',
  async (name) => {
    const profile = profiles[name] as Profile;
    for (const network of [small, recogniseNetwork(manyKinds(), MANY_SCOPES)]) {
      const { problems, largest } = await problemsOf(network, profile);
      expect(problems).toEqual([]);
      expect(largest).toBeLessThan(FOLDING_TOLERANCE / 5);
    }
  },
);
