// The state of a training program: which vectors go into a step and come out of it, in what order their values stand, and
// how running statistics move. Frozen scopes have no place in it.
import type { GraphBuilder } from '../onnx/builder.ts';
import type { ValueInfo } from '../onnx/ir.ts';
import type { Network, ParameterRole } from '../network/network.ts';
import type { Placement } from '../quantize/placement.ts';
import { elementCount } from '../../support/tensor.ts';
import type { BatchStatistics, TrainState } from './forward.ts';
import { emitPack, layoutOf } from './layout.ts';
import type { Layout, Slot } from './layout.ts';

export interface StateLayouts {
  /** Weights, biases, γ, β and slopes of the trained scopes. */
  readonly parameters: Layout;
  /** Their running means and variances. */
  readonly statistics: Layout;
  /** Two values (min, max) per activation quantiser whose scale follows. */
  readonly ranges: Layout;
}

const trainableRoles: ReadonlySet<ParameterRole> = new Set(['weight', 'bias', 'gamma', 'beta', 'slope'] as const);

/** Slots in the order of the network's parameters, so that equal requests give equal vectors. */
export function layoutState(
  network: Network,
  scopes: ReadonlyMap<string, TrainState>,
  placement: Placement,
  activationScales: 'fixed' | 'follow',
): StateLayouts {
  const trained = (scope: string): boolean => scopes.get(scope)?.trained === true;
  const slotsOf = (trainable: boolean): readonly Slot[] =>
    network.parameters
      .filter(({ scope, role }) => trained(scope) && trainableRoles.has(role) === trainable)
      .map(({ name, shape }) => ({ name, shape }));
  const followed =
    activationScales === 'follow'
      ? // One scale for several values is not known before all of them are: such scales stay.
        [...placement.activations.values()].filter(({ scope, range, value }) => trained(scope) && range === value)
      : [];
  return {
    parameters: layoutOf(slotsOf(true)),
    statistics: layoutOf(slotsOf(false)),
    ranges: layoutOf(followed.map(({ value }) => ({ name: value, shape: [2] }))),
  };
}

/** The program's inputs besides its data: vectors (left out where empty), then scalars. */
export function stateInputs({ parameters, statistics, ranges }: StateLayouts): readonly ValueInfo[] {
  const vector = (name: string, { length }: Layout): readonly ValueInfo[] =>
    length === 0 ? [] : [{ name, dtype: 'float32', shape: [length] }];
  const scalar = (name: string): ValueInfo => ({ name, dtype: 'float32', shape: [] });
  return [
    ...vector('parameters', parameters),
    ...vector('first', parameters),
    ...vector('second', parameters),
    ...vector('statistics', statistics),
    ...vector('ranges', ranges),
    scalar('learningRate'),
    scalar('correction1'),
    scalar('correction2'),
    ...(ranges.length === 0 ? [] : [scalar('averagingConstant')]),
  ];
}

/** 1 where weight decay acts: on weights, not on biases, γ and β. */
export function decayMaskOf(network: Network, layout: Layout): Float32Array {
  const roles = new Map(network.parameters.map(({ name, role }) => [name, role]));
  const mask = new Float32Array(layout.length);
  let offset = 0;
  for (const slot of layout.slots) {
    const size = elementCount(slot.shape);
    if (roles.get(slot.name) === 'weight') mask.fill(1, offset, offset + size);
    offset += size;
  }
  return mask;
}

/**
 * running ← (1 − m)·running + m·batch, the variance unbiased (M/(M − 1)), as PyTorch does.
 * @returns the vector of all running statistics; those that no batch norm moved as they came.
 */
export function emitStatistics(
  b: GraphBuilder,
  layout: Layout,
  running: ReadonlyMap<string, string>,
  batches: readonly BatchStatistics[],
  shapes: ReadonlyMap<string, readonly number[]>,
  momentum: number,
): string {
  const next = new Map<string, string>();
  for (const { norm, mean, variance, observedValue } of batches) {
    const [n, , ...rest] = shapes.get(observedValue) as readonly [number, number, ...number[]];
    const count = rest.reduce((product, size) => product * size, n);
    const [, , , meanName, varianceName] = norm.inputs as [string, string, string, string, string];
    for (const [name, batch, factor] of [
      [meanName, mean, 1],
      [varianceName, variance, count / Math.max(count - 1, 1)],
    ] as const) {
      const kept = b.emit('Mul', [running.get(name) as string, b.scalar(1 - momentum)]);
      next.set(name, b.emit('Add', [kept, b.emit('Mul', [batch, b.scalar(momentum * factor)])]));
    }
  }
  return emitPack(b, layout, ({ name }) => next.get(name) ?? (running.get(name) as string));
}
