// Output channels whose weights leave a quantiser nothing to do, or too little: pruned to zero (the weight itself, or the γ of
// its batch norm), or standing on the smallest scale there is. Both compute, and lose accuracy without a word; scales of
// activations are looked at in scale-problems.ts.
import type { Parameters } from '../network/fold.ts';
import { foldLayer } from '../network/fold.ts';
import type { LayerUnit, Network } from '../network/network.ts';
import { weightLayout } from '../network/weight-layout.ts';
import { EPSILON } from './scheme.ts';

/** Channels by the name of their layer's weight; layers without any are left out. */
export type ChannelsOfWeights = ReadonlyMap<string, readonly number[]>;

export interface ChannelProblems {
  /**
   * All folded weights 0: the channel gives its bias alone. Its scale is the floor of all scales, float32's epsilon, as
   * PyTorch's observers have it: every step is 0 whatever the scale, and the bias, whose step is s_x·s_w, keeps its
   * precision, which a scale of 1 would take from it.
   */
  readonly allZero: ChannelsOfWeights;
  /** Weights that are not 0 on a scale that is the floor: fewer steps than the format has, or a learned scale that fell. */
  readonly smallestScale: ChannelsOfWeights;
}

/** @param scales weight → one per channel of its channel axis; of the layers of one scope or of several. */
export function channelProblems(
  { units }: Pick<Network, 'units'>,
  parameters: Parameters,
  scales: ReadonlyMap<string, Float32Array>,
): ChannelProblems {
  const [allZero, smallestScale] = [new Map<string, readonly number[]>(), new Map<string, readonly number[]>()];
  for (const unit of units) {
    const own = unit.kind === 'layer' ? scales.get(unit.quantiser) : undefined;
    if (unit.kind !== 'layer' || own === undefined) continue;
    const alive = aliveChannels(unit, parameters, own.length);
    const channels = [...own.keys()];
    const zero = channels.filter((channel) => alive[channel] === 0);
    const small = channels.filter((channel) => alive[channel] === 1 && (own[channel] as number) <= EPSILON);
    if (zero.length > 0) allZero.set(unit.quantiser, zero);
    if (small.length > 0) smallestScale.set(unit.quantiser, small);
  }
  return { allZero, smallestScale };
}

/** 1 where some folded weight of the channel is not 0. */
function aliveChannels(unit: LayerUnit, parameters: Parameters, channels: number): Uint8Array {
  const { weight } = foldLayer(unit, parameters);
  const { scaleOf } = weightLayout(unit.node, weight.shape);
  const alive = new Uint8Array(channels);
  for (const [index, value] of weight.data.entries()) if (value !== 0) alive[scaleOf(index)] = 1;
  return alive;
}
