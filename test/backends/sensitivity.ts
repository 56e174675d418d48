// What tests of the analyze job share: the shape of its report, its inputs, and backbones with one layer planted bad.
import type { JsonObject } from '../../src/support/json.ts';
import { altered } from './altered.ts';
import { jsonAt } from './artifacts.ts';
import { analyze } from './orders.ts';
import type { Inputs } from './orders.ts';
import type { World } from './world.ts';

export interface EffectReport {
  readonly sqnr: number | null;
  readonly cosine: number;
  readonly outputs: { readonly [name: string]: { readonly sqnr: number | null; readonly cosine: number } };
  readonly metric: number | null;
  readonly drop: number | null;
}

export interface Part {
  readonly bits: number;
  readonly alone: EffectReport;
  readonly here?: { readonly sqnr: number | null };
  readonly range?: { readonly scale: number };
  readonly spread: number;
  readonly channels: { readonly min: readonly number[]; readonly max: readonly number[] };
}

export interface Sensitivity {
  readonly scope: string;
  readonly metric: { readonly name: string; readonly float: number } | null;
  readonly images: number;
  readonly outputs: readonly string[];
  readonly quantised: EffectReport;
  readonly layers: readonly {
    readonly layer: string;
    readonly rank: { readonly alone: number; readonly restored: number };
    readonly worse: 'weights' | 'activations';
    readonly alone: EffectReport;
    readonly restored: EffectReport & { readonly gained: number | null };
    readonly weights: Part | null;
    readonly activations: Part | null;
  }[];
  readonly recommendation?: {
    readonly profile: JsonObject & { readonly layers?: { readonly [layer: string]: JsonObject } };
    readonly cost: { readonly start: number; readonly limit: number; readonly chosen: number };
    readonly measured: number;
    readonly cutShort: boolean;
    readonly effects: {
      readonly profile: EffectReport;
      readonly recommended: EffectReport;
      readonly widest: EffectReport;
    };
  };
}

/** Of an analysis of the float network through the segmentation head. */
export async function analysisInputs(world: World, overrides: Inputs = {}): Promise<Inputs> {
  return {
    ...(await world.gateBase()),
    backbone: await world.backbone(),
    head: await world.head('segmentation'),
    ...overrides,
  };
}

export async function reportOf(world: World, ...order: Parameters<typeof analyze>): Promise<Sensitivity> {
  const { report } = await world.rig.outputs(analyze(...order));
  return jsonAt<Sensitivity>(report as string);
}

/** [C, 1, 3, 3] and the like: the elements of one row of the first axis. */
const row = (size: number, wanted: number) => (index: number) => Math.floor(index / size) === wanted;

/** A copy of the float backbone with these tensors scaled where told: the function stays the same where factors cancel. */
function scaled(
  world: World,
  changes: readonly (readonly [name: string, which: (index: number) => boolean, by: number])[],
): Promise<string> {
  return world.backbone().then((path) =>
    altered(path, ({ tensors }) => {
      for (const [name, which, by] of changes) {
        const data = tensors.get(`parameter.${name}`)?.data as Float32Array;
        data.forEach((value, index) => {
          if (which(index)) data[index] = value * by;
        });
      }
    }),
  );
}

/** Relu passes a factor on, so that the float network computes the same; one scale for the whole tensor does not fit it. */
export function hostileActivations(world: World): Promise<string> {
  return scaled(world, [
    ['backbone.stem.bn.gamma', (index) => index === 1, 1000],
    ['backbone.stem.bn.beta', (index) => index === 1, 1000],
    ['backbone.block1.depthwise.weight', row(9, 1), 1 / 1000],
  ]);
}

/** One tap of every filter outgrows the others, by what the channel it reads is smaller: filters of [O, I, 1, 1]. */
export function hostileWeights(world: World, factor = 200): Promise<string> {
  const channels = 8;
  return scaled(world, [
    ['backbone.block2.depthwise.bn.gamma', (index) => index === 1, 1 / factor],
    ['backbone.block2.depthwise.bn.beta', (index) => index === 1, 1 / factor],
    ['backbone.block2.pointwise.weight', (index) => index % channels === 1, factor],
  ]);
}
