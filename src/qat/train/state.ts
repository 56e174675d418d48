// The state of a training program: which vectors go into a step and come out of it, in what order their values stand, and
// how running statistics move. Frozen scopes have no place in it.
import type { GraphBuilder } from '../onnx/builder.ts';
import type { ValueInfo } from '../onnx/ir.ts';
import type { Network, ParameterRole } from '../network/network.ts';
import { foldableLayers } from '../network/shared-weights.ts';
import { scaleShape, weightLayout } from '../network/weight-layout.ts';
import type { Placement } from '../quantize/placement.ts';
import { elementCount } from '../../support/tensor.ts';
import type { BatchStatistics, TrainState } from './forward.ts';
import { emitPack, layoutOf } from './layout.ts';
import type { Layout, Slot } from './layout.ts';
import { activationScaleSlot, weightScaleSlot } from './scale-slots.ts';

export interface StateLayouts {
  /** Weights, biases, γ, β and slopes of the trained scopes, and their learned scales. */
  readonly parameters: Layout;
  /** Their running means and variances. */
  readonly statistics: Layout;
  /** Two values (min, max) per activation quantiser whose scale follows. */
  readonly ranges: Layout;
}

const trainableRoles: ReadonlySet<ParameterRole> = new Set(['weight', 'bias', 'gamma', 'beta', 'slope'] as const);

/** Where the scales of trained scopes come from. */
export interface ScaleSources {
  /** 'fixed': constants; 'follow': a moving average of the extremes; 'learned': parameters (LSQ). */
  readonly activationScales: 'fixed' | 'follow' | 'learned';
  /** 'derived': from the weights of each step; 'learned': parameters (LSQ). */
  readonly weightScales?: 'derived' | 'learned';
}

/** Slots in the order of the network's parameters, so that equal requests give equal vectors. */
export function layoutState(
  network: Network,
  scopes: ReadonlyMap<string, TrainState>,
  placement: Placement,
  { activationScales, weightScales = 'derived' }: ScaleSources,
): StateLayouts {
  const trained = (scope: string): boolean => scopes.get(scope)?.trained === true;
  const gone = foldedAway(network, scopes);
  const slotsOf = (trainable: boolean): readonly Slot[] =>
    network.parameters
      .filter(({ name, scope, role }) => trained(scope) && !gone.has(name) && trainableRoles.has(role) === trainable)
      .map(({ name, shape }) => ({ name, shape }));
  const activations = [...placement.activations.values()].filter(({ scope }) => trained(scope));
  const learned: readonly Slot[] = [
    ...(activationScales === 'learned'
      ? [...new Set(activations.map(({ range }) => range))].map((range) => ({
          name: activationScaleSlot(range),
          shape: [],
        }))
      : []),
    ...(weightScales === 'learned' ? weightScaleSlots(network, placement, trained) : []),
  ];
  // One scale that follows the extremes of several values is not known before all of them are: such scales stay.
  const followed = activationScales === 'follow' ? activations.filter(({ range, value }) => range === value) : [];
  return {
    parameters: layoutOf([...slotsOf(true), ...learned]),
    statistics: layoutOf(slotsOf(false)),
    ranges: layoutOf(followed.map(({ value }) => ({ name: value, shape: [2] }))),
  };
}

function weightScaleSlots(
  network: Network,
  placement: Placement,
  trained: (scope: string) => boolean,
): readonly Slot[] {
  const slots = new Map<string, Slot>();
  for (const unit of network.units) {
    if (unit.kind !== 'layer' || !trained(unit.scope) || !placement.weights.has(unit.quantiser)) continue;
    const shape = network.graph.initializers.get(unit.weight)?.shape ?? [];
    const name = weightScaleSlot(unit.quantiser);
    slots.set(name, { name, shape: scaleShape(weightLayout(unit.node, shape), shape.length) });
  }
  return [...slots.values()];
}

/** Where batch norm is folded at prepare, the layer has a weight and β left; the rest stands at the identity. */
function foldedAway(network: Network, scopes: ReadonlyMap<string, TrainState>): ReadonlySet<string> {
  const gone = new Set<string>();
  for (const unit of foldableLayers(network.graph, network.units)) {
    if (unit.kind !== 'layer' || unit.norm === undefined || scopes.get(unit.scope)?.batchNorm !== 'folded') continue;
    const [, gamma, , mean, variance] = unit.norm.inputs as [string, string, string, string, string];
    for (const name of [unit.bias, gamma, mean, variance]) if (name !== undefined) gone.add(name);
  }
  return gone;
}

export interface MoreState {
  /** Whether averages of parameters and running statistics are kept. */
  readonly averages: boolean;
  /** Whether batch norms can be frozen while the program runs. */
  readonly switchesBatchNorm: boolean;
}

/** The program's inputs besides its data: vectors (left out where empty), then scalars. */
export function stateInputs({ parameters, statistics, ranges }: StateLayouts, more: MoreState): readonly ValueInfo[] {
  const vector = (name: string, { length }: Layout): readonly ValueInfo[] =>
    length === 0 ? [] : [{ name, dtype: 'float32', shape: [length] }];
  const scalar = (name: string): ValueInfo => ({ name, dtype: 'float32', shape: [] });
  return [
    ...vector('parameters', parameters),
    ...vector('first', parameters),
    ...vector('second', parameters),
    ...vector('statistics', statistics),
    ...vector('ranges', ranges),
    ...(more.averages ? vector('averages', { slots: [], length: parameters.length + statistics.length }) : []),
    scalar('learningRate'),
    scalar('correction1'),
    scalar('correction2'),
    ...(ranges.length === 0 ? [] : [scalar('averagingConstant')]),
    ...(more.averages ? [scalar('averageKeep')] : []),
    ...(more.switchesBatchNorm ? [scalar('batchNormFrozen')] : []),
  ];
}

/** 1 where weight decay acts: on parameters of the `decaying` roles; never on scales. */
export function decayMaskOf(network: Network, layout: Layout, decaying: ReadonlySet<ParameterRole>): Float32Array {
  const roles = new Map(network.parameters.map(({ name, role }) => [name, role]));
  return perSlot(layout, ({ name }) => {
    const role = roles.get(name);
    return role !== undefined && decaying.has(role) ? 1 : 0;
  });
}

/** A vector in the layout, of one value for each slot. */
export function perSlot(layout: Layout, valueOf: (slot: Slot) => number): Float32Array {
  const vector = new Float32Array(layout.length);
  let offset = 0;
  for (const slot of layout.slots) {
    const size = elementCount(slot.shape);
    vector.fill(valueOf(slot), offset, offset + size);
    offset += size;
  }
  return vector;
}

/**
 * running ← (1 − m)·running + m·batch, the variance unbiased (M/(M − 1)), as PyTorch does.
 * @param frozen a scalar of the graph: 1 where they stand still.
 * @returns the vector of all running statistics; those that no batch norm moved as they came.
 */
export function emitStatistics(
  b: GraphBuilder,
  layout: Layout,
  running: ReadonlyMap<string, string>,
  batches: readonly BatchStatistics[],
  shapes: ReadonlyMap<string, readonly number[]>,
  momentum: number,
  frozen?: string,
): string {
  const seen = new Map<string, string>();
  const shares = new Map<string, number>();
  const uses = new Map<string, number>();
  for (const { norm, mean, variance, observedValue } of batches) {
    const [n, , ...rest] = shapes.get(observedValue) as readonly [number, number, ...number[]];
    const count = rest.reduce((product, size) => product * size, n);
    const [, , , meanName, varianceName] = norm.inputs as [string, string, string, string, string];
    for (const [name, value, share] of [
      [meanName, mean, momentum],
      [varianceName, variance, momentum * (count / Math.max(count - 1, 1))],
    ] as const) {
      const [earlier, earlierShare = 1] = [seen.get(name), shares.get(name)];
      // One batch norm after several values moves once for each, the later from where the earlier left it.
      const joined =
        earlier === undefined
          ? value
          : b.emit('Add', [
              b.emit('Mul', [earlier, b.scalar(share === 0 ? 0 : ((1 - momentum) * earlierShare) / share)]),
              value,
            ]);
      seen.set(name, joined);
      shares.set(name, share);
      uses.set(name, (uses.get(name) ?? 0) + 1);
    }
  }
  if (seen.size === 0) return 'statistics';
  // All at once: a graph with three nodes for each layer's mean and variance takes that much longer to load.
  const before = 'statistics';
  const batch = emitPack(b, layout, ({ name }) => seen.get(name) ?? (running.get(name) as string));
  const vector = (data: Float32Array): string => b.constant({ dtype: 'float32', shape: [layout.length], data });
  const taken = b.emit('Mul', [batch, vector(perSlot(layout, ({ name }) => shares.get(name) ?? 0))]);
  const isShared = [...uses.values()].some((count) => count > 1);
  const stays = isShared
    ? vector(perSlot(layout, ({ name }) => (1 - momentum) ** (uses.get(name) ?? 1)))
    : b.scalar(1 - momentum);
  const moved = b.emit('Add', [b.emit('Mul', [before, stays]), taken]);
  const held = frozen === undefined ? moved : where(b, b.emit('Greater', [frozen, b.scalar(0.5)]), before, moved);
  if (seen.size === layout.slots.length) return held;
  const still = Uint8Array.from(perSlot(layout, ({ name }) => (seen.has(name) ? 0 : 1)));
  return where(b, b.constant({ dtype: 'bool', shape: [layout.length], data: still }), before, held);
}

function where(b: GraphBuilder, condition: string, yes: string, no: string): string {
  return b.emit('Where', [condition, yes, no]);
}
