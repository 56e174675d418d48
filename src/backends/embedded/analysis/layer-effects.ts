// What each layer has to do with the loss at the heads' outputs: quantised alone (and of that, its weights and what it makes,
// each alone), and left out while all others are quantised. What stands first in one sense need not stand first in the other:
// errors cancel, and a layer can hide behind a worse one.
import { emptyRanges, spreadOf, widen } from '../../../qat/analysis/channel-ranges.ts';
import type { ChannelRanges } from '../../../qat/analysis/channel-ranges.ts';
import { Distortion } from '../../../qat/analysis/distortion.ts';
import { quantisersOf } from '../../../qat/analysis/layer-sites.ts';
import type { LayerSite } from '../../../qat/analysis/layer-sites.ts';
import { foldLayer } from '../../../qat/network/fold.ts';
import type { ScopeForward } from '../../../qat/network/reference.ts';
import { weightLayout } from '../../../qat/network/weight-layout.ts';
import type { QuantState, Range } from '../../../qat/quantize/checkpoint.ts';
import { deployLayer } from '../../../qat/quantize/deploy.ts';
import type { Placement } from '../../../qat/quantize/placement.ts';
import type { Observed } from './observed-ranges.ts';
import type { Effect, Subject } from './subject.ts';

export interface LayerEffects {
  readonly site: LayerSite;
  readonly alone: Effect;
  /** Everything quantised but this layer. */
  readonly restored: Effect;
  readonly weights?: PartEffect;
  readonly activations?: PartEffect;
}

/** Weights, or what a layer makes, quantised alone. */
export interface PartEffect {
  readonly effect: Effect;
  readonly bits: number;
  readonly channels: ChannelRanges;
  readonly spread: number;
  /** Of the weights themselves, one of a layer's. */
  readonly here?: Distortion;
  /** Of what a layer makes: its range in use. */
  readonly range?: Range;
}

export interface Measuring {
  readonly subject: Subject;
  readonly placement: Placement;
  readonly quant: QuantState;
  readonly observed: Observed;
  readonly sites: readonly LayerSite[];
}

/** In the order of the sites. */
export async function measureLayers(
  measuring: Measuring,
  onLayer: (done: number) => void,
): Promise<readonly LayerEffects[]> {
  const { subject, quant, sites } = measuring;
  const all = sites.flatMap(quantisersOf);
  const found: LayerEffects[] = [];
  for (const site of sites) {
    const own = quantisersOf(site);
    const alone = await subject.effectOf(quant, own);
    const weights = await weightsEffect(measuring, site, alone);
    const activations = await activationsEffect(measuring, site, alone);
    found.push({
      site,
      alone,
      restored: await subject.effectOf(
        quant,
        all.filter((name) => !own.includes(name)),
      ),
      ...(weights === undefined ? {} : { weights }),
      ...(activations === undefined ? {} : { activations }),
    });
    onLayer(found.length);
  }
  return found;
}

/** Worst first: by the noise that a layer makes alone, or by what is left without it. */
export function ranked(layers: readonly LayerEffects[], sense: 'alone' | 'restored'): readonly LayerEffects[] {
  const badness = ({ alone, restored }: LayerEffects): number => (sense === 'alone' ? alone.noise : -restored.noise);
  return layers.toSorted((left, right) => badness(right) - badness(left));
}

async function weightsEffect(
  { subject, quant, placement }: Measuring,
  { layer, activations }: LayerSite,
  alone: Effect,
): Promise<PartEffect | undefined> {
  const format = layer === undefined ? undefined : placement.weights.get(layer.quantiser)?.format;
  if (layer === undefined || format === undefined) return undefined;
  const { scope, scopes } = subject.settings;
  const { parameters } = (scopes.get(scope) as ScopeForward).checkpoint;
  const { weight } = foldLayer(layer, parameters);
  const scales = quant.weights.get(layer.quantiser) ?? new Float32Array();
  const here = new Distortion();
  here.add(weight.data, deployLayer(layer, parameters, scales, format, undefined).weights);
  const layout = weightLayout(layer.node, weight.shape);
  const channels = emptyRanges(layout.scales);
  widen(channels, weight.data, layout.scaleOf);
  const effect = activations.length === 0 ? alone : await subject.effectOf(quant, [layer.quantiser]);
  return { effect, bits: format.bits, channels, spread: spreadOf(channels), here };
}

async function activationsEffect(
  { subject, quant, placement, observed }: Measuring,
  { layer, activations }: LayerSite,
  alone: Effect,
): Promise<PartEffect | undefined> {
  const last = activations.at(-1);
  const quantizer = placement.activations.get(last ?? '');
  if (last === undefined || quantizer === undefined) return undefined;
  const channels = observed.channels.get(last) ?? emptyRanges(0);
  const range = quant.activations.get(quantizer.range);
  const effect = layer === undefined ? alone : await subject.effectOf(quant, activations);
  return {
    effect,
    bits: quantizer.format.bits,
    channels,
    spread: spreadOf(channels),
    ...(range === undefined ? {} : { range }),
  };
}
