// Self-tests of the guards themselves, on the very checkpoints of the stage: the freeze proof must see one unit in the last
// place of every kind of tensor, the load-order verifier must refuse every wrong checkpoint. A guard that sees nothing proves
// nothing.
import { compareCheckpoints } from '../../../qat/freeze/compare.ts';
import { BACKBONE } from '../../../qat/network/network.ts';
import { decodeCheckpoint, encodeCheckpoint, LoadError } from '../../../qat/quantize/checkpoint.ts';
import type { QuantState, ScopeCheckpoint, ScopeState } from '../../../qat/quantize/checkpoint.ts';
import { digestJson } from '../../../support/digest.ts';
import { floatTensor } from '../../../support/tensor.ts';
import type { Tensor } from '../../../support/tensor.ts';
import { checkFits } from '../load-order.ts';
import { fails, holds } from './self-test.ts';
import type { SelfTest } from './self-test.ts';

export const freezeProof: SelfTest = async ({ scopes }) => {
  let mutations = 0;
  for (const { checkpoint } of scopes.values()) {
    if (compareCheckpoints(checkpoint, checkpoint).differences.length > 0)
      return fails(`the freeze proof sees a difference between "${checkpoint.scope}" and itself`);
    for (const [name, tensor] of encodeCheckpoint(checkpoint).tensors) {
      const index = Math.floor(tensor.data.length / 2);
      const { differences } = compareCheckpoints(checkpoint, withNextValue(checkpoint, name, index));
      const seen = differences.length === 1 && differences[0]?.tensor === name && differences[0].index === index;
      if (!seen) return fails(`the freeze proof misses one unit in the last place of ${name} at index ${index}`);
      mutations++;
    }
    const state: ScopeState = checkpoint.state === 'qat' ? 'calibrated' : 'qat';
    if (compareCheckpoints(checkpoint, { ...checkpoint, state }).differences[0]?.tensor !== 'state')
      return fails(`the freeze proof misses another state of "${checkpoint.scope}"`);
    mutations++;
  }
  return Promise.resolve(holds(`${mutations} mutations, each named; none seen where there is none`));
};

/** One unit in the last place of one element; the rest stays. */
function withNextValue(checkpoint: ScopeCheckpoint, name: string, index: number): ScopeCheckpoint {
  const { tensors, metadata } = encodeCheckpoint(checkpoint);
  const { shape, data } = tensors.get(name) as Tensor;
  const copy = (data as Float32Array).slice();
  const bits = new Uint32Array(copy.buffer);
  bits[index] = (bits[index] as number) ^ 1;
  return decodeCheckpoint({ tensors: new Map([...tensors, [name, floatTensor(shape, copy)]]), metadata });
}

export const loadOrder: SelfTest = async ({ network, scopes }) => {
  let refused = 0;
  for (const [scope, { checkpoint }] of scopes) {
    const own = [checkpoint.state];
    if (!fits(() => checkFits(checkpoint, network, scope, scope, own)))
      return fails(`the load-order verifier refuses the checkpoint of "${scope}" itself`);
    const other = scope === BACKBONE ? (Object.keys(network.scopes.heads)[0] ?? '') : BACKBONE;
    const wrong: readonly (readonly [string, ScopeCheckpoint, string, readonly ScopeState[]])[] = [
      ['in another scope', checkpoint, other, own],
      [
        'in a place for another state',
        checkpoint,
        scope,
        checkpoint.state === 'float' ? ['calibrated', 'qat'] : ['float'],
      ],
      ['for another graph', { ...checkpoint, graph: digestJson('headgate-graph', 1, 'another') }, scope, own],
      ['without one tensor', { ...checkpoint, parameters: withoutFirst(checkpoint.parameters) }, scope, own],
      ['with a tensor too many', { ...checkpoint, parameters: withStray(checkpoint.parameters) }, scope, own],
      ...wrongScales(checkpoint).map(([what, changed]) => [what, changed, scope, own] as const),
    ];
    for (const [what, changed, place, states] of wrong) {
      if (fits(() => checkFits(changed, network, scope, place, states)))
        return fails(`the load-order verifier takes the checkpoint of "${scope}" ${what}`);
      refused++;
    }
  }
  return Promise.resolve(holds(`${refused} wrong checkpoints, each refused`));
};

function wrongScales(checkpoint: ScopeCheckpoint): readonly (readonly [string, ScopeCheckpoint])[] {
  const { quant } = checkpoint;
  if (quant === undefined) return [];
  const { activations, weights } = quant;
  const withQuant = (changed: Partial<QuantState>): ScopeCheckpoint => ({
    ...checkpoint,
    quant: { ...quant, ...changed },
  });
  const never = new Map([...activations].map(([value, range]) => [value, { ...range, scale: 1 }] as const));
  // A head of one layer has nothing to observe.
  const ranges = [
    ['without one range', withQuant({ activations: withoutFirst(activations) })],
    ['with the default scale 1', withQuant({ activations: never })],
  ] as const;
  return [
    ...(activations.size > 0 ? ranges : []),
    ['without the scales of one weight', withQuant({ weights: withoutFirst(weights) })],
  ];
}

function fits(check: () => void): boolean {
  try {
    check();
    return true;
  } catch (cause) {
    if (cause instanceof LoadError) return false;
    throw cause;
  }
}

function withoutFirst<T>(entries: ReadonlyMap<string, T>): ReadonlyMap<string, T> {
  return new Map([...entries].slice(1));
}

function withStray<T>(entries: ReadonlyMap<string, T>): ReadonlyMap<string, T> {
  const [first] = entries.values();
  return first === undefined ? entries : new Map([...entries, ['stray', first]]);
}
