// An analysis as the JSON of its report and as a table in plain text.
import { sqnrOf } from '../../../qat/analysis/distortion.ts';
import type { JsonObject } from '../../../support/json.ts';
import { ranked } from './layer-effects.ts';
import type { LayerEffects, PartEffect } from './layer-effects.ts';
import type { Recommendation } from './recommend.ts';
import { effectJson } from './subject.ts';
import type { Effect, Subject } from './subject.ts';

export interface Analysis {
  readonly subject: Subject;
  readonly images: number;
  /** The whole scope quantised. */
  readonly all: Effect;
  readonly layers: readonly LayerEffects[];
  readonly recommendation?: Recommendation;
}

/** Layers worst first, by what each does alone. */
export function analysisJson({ subject, images, all, layers, recommendation }: Analysis): JsonObject {
  const { metric } = subject;
  const json = (effect: Effect): JsonObject => effectJson(effect, subject.dropOf(effect));
  const restored = ranked(layers, 'restored');
  return {
    scope: subject.settings.scope,
    images,
    outputs: [...subject.outputs],
    metric: metric === undefined ? null : { name: metric.name, float: metric.float },
    quantised: json(all),
    layers: ranked(layers, 'alone').map((layer, index) => ({
      layer: layer.site.name,
      rank: { alone: index + 1, restored: restored.indexOf(layer) + 1 },
      worse: worsePart(layer),
      alone: json(layer.alone),
      restored: { ...json(layer.restored), gained: gainOf(all, layer) },
      weights: partJson(layer.weights, json),
      activations: partJson(layer.activations, json),
    })),
    ...(recommendation === undefined ? {} : { recommendation: recommendationJson(recommendation, json) }),
  };
}

/** Which of the two makes more noise at the outputs. */
export function worsePart({ weights, activations }: LayerEffects): 'weights' | 'activations' {
  return (weights?.effect.noise ?? -1) > (activations?.effect.noise ?? -1) ? 'weights' : 'activations';
}

/** Decibels that the outputs gain when this layer alone goes back to float; null where no noise is left. */
function gainOf(all: Effect, { restored }: LayerEffects): number | null {
  const [before, after] = [sqnrOf(all.noise), sqnrOf(restored.noise)];
  return before === null || after === null ? null : after - before;
}

function partJson(part: PartEffect | undefined, json: (effect: Effect) => JsonObject): JsonObject | null {
  if (part === undefined) return null;
  const { effect, bits, channels, spread, here, range } = part;
  return {
    bits,
    alone: json(effect),
    ...(here === undefined ? {} : { here: { sqnr: sqnrOf(here.noise), cosine: here.cosine } }),
    ...(range === undefined ? {} : { range: { ...range } }),
    spread,
    channels: { min: [...channels.min], max: [...channels.max] },
  };
}

function recommendationJson(
  { profile, cost, measured, cutShort, effects }: Recommendation,
  json: (effect: Effect) => JsonObject,
): JsonObject {
  return {
    profile,
    cost,
    measured,
    cutShort,
    effects: { profile: json(effects.start), recommended: json(effects.chosen), widest: json(effects.widest) },
  };
}

export function analysisText(analysis: Analysis): string {
  const { subject, images, all, layers, recommendation } = analysis;
  const { metric, settings } = subject;
  const measured = metric === undefined ? '' : `; ${metric.name} in float ${metric.float.toFixed(4)}`;
  const restored = ranked(layers, 'restored');
  const rows = ranked(layers, 'alone').map((layer, index) => [
    String(index + 1),
    String(restored.indexOf(layer) + 1),
    layer.site.name,
    decibels(layer.alone.noise),
    decibels(layer.weights?.effect.noise),
    decibels(layer.activations?.effect.noise),
    decibels(layer.restored.noise),
    ...(metric === undefined ? [] : [(subject.dropOf(layer.alone) ?? 0).toFixed(4)]),
    layer.weights === undefined ? '-' : layer.weights.spread.toPrecision(3),
    layer.activations === undefined ? '-' : layer.activations.spread.toPrecision(3),
  ]);
  const head = ['alone', 'restored', 'layer', 'dB alone', 'weights', 'activations', 'dB without'];
  const more = [...(metric === undefined ? [] : ['drop']), 'w spread', 'a spread'];
  return [
    `Sensitivity of scope ${settings.scope} on ${images} images; outputs ${subject.outputs.join(', ')}${measured}`,
    `All of it quantised: ${line(analysis, all)}`,
    '',
    ...table([[...head, ...more], ...rows]),
    ...(recommendation === undefined ? [] : ['', ...recommendationLines(analysis, recommendation)]),
    '',
  ].join('\n');
}

function recommendationLines(analysis: Analysis, { profile, cost, measured, cutShort, effects }: Recommendation) {
  const layers = Object.entries(profile.layers ?? {}).map(([name, { weights, activations }]) => {
    const parts = [weights && `weights ${weights.bits} bits`, activations && `activations ${activations.bits} bits`];
    return `  ${name}: ${parts.filter((part) => part !== undefined).join(', ')}`;
  });
  return [
    `Recommended within ${number(cost.limit)} (cost ${number(cost.chosen)}, from ${number(cost.start)}; ${measured} profiles measured${cutShort ? ', then the search was cut short' : ''}):`,
    ...(layers.length === 0 ? ['  no exception gains anything'] : layers),
    `  the profile itself  ${line(analysis, effects.start)}`,
    `  as recommended      ${line(analysis, effects.chosen)}`,
    `  everything widest   ${line(analysis, effects.widest)}`,
  ];
}

function line({ subject }: Analysis, effect: Effect): string {
  const drop = subject.dropOf(effect);
  const lost = drop === null ? '' : `, ${subject.metric?.name ?? ''} ${(effect.metric ?? 0).toFixed(4)}`;
  return `${decibels(effect.noise)} dB${lost}`;
}

function decibels(noise: number | undefined): string {
  if (noise === undefined) return '-';
  return sqnrOf(noise)?.toFixed(1) ?? 'exact';
}

function number(value: number): string {
  return String(Number(value.toPrecision(4)));
}

/** Names to the left, numbers to the right. */
function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}
