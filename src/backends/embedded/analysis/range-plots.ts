// The page of range plots: per layer one bar per channel, from its smallest to its largest value, weights beside what the
// layer makes, worst layer first. One file of HTML with drawings of its own, to be opened anywhere; numbers are in the report.
import { sqnrOf } from '../../../qat/analysis/distortion.ts';
import type { ChannelRanges } from '../../../qat/analysis/channel-ranges.ts';
import { ranked } from './layer-effects.ts';
import type { LayerEffects, PartEffect } from './layer-effects.ts';
import { analysisText, worsePart } from './report.ts';
import type { Analysis } from './report.ts';

const [WIDTH, HEIGHT, MARGIN] = [420, 110, 4];
/** More bars than this would be thinner than a pixel: neighbours are joined. */
const MOST_BARS = 200;

export function rangePlotsPage(analysis: Analysis): string {
  const { scope } = analysis.subject.settings;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Ranges of ${escaped(scope)}</title>
<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; }
section { border-top: 1px solid #ccc; padding: 0.5em 0; }
figure { display: inline-block; margin: 0 1em 0 0; }
h2 { font-size: 1em; margin: 0.3em 0; }
svg { background: #f6f6f6; }
rect { fill: #3a6ea5; }
.worse rect { fill: #b5452c; }
line { stroke: #888; stroke-width: 0.5; }
</style>
<h1>Sensitivity and ranges of ${escaped(scope)}</h1>
<pre>${escaped(analysisText(analysis))}</pre>
<p>Below, one bar per channel from its smallest to its largest value. A tensor of activations has one scale: channels much
shorter than the longest are left with few steps. A filter of weights has a scale of its own. The part that makes more noise
at the outputs is red.</p>
${ranked(analysis.layers, 'alone').map(section).join('\n')}
</html>
`;
}

function section(layer: LayerEffects, index: number): string {
  const worse = worsePart(layer);
  const plots = (['weights', 'activations'] as const).map((part) => {
    const found = layer[part];
    return found === undefined ? '' : figure(part, found, part === worse);
  });
  return `<section><h2>${index + 1}. ${escaped(layer.site.name)}</h2>${plots.join('')}</section>`;
}

function figure(name: string, { effect, bits, channels, spread }: PartEffect, worse: boolean): string {
  const { low, high } = extent(channels);
  const sqnr = sqnrOf(effect.noise)?.toFixed(1) ?? 'exact';
  const words = `${name}, ${bits} bits: ${short(low)} to ${short(high)}, largest channel ${short(spread)} times the median; ${sqnr} dB at the outputs`;
  return `<figure${worse ? ' class="worse"' : ''}><figcaption>${words}</figcaption>${bars(channels, low, high)}</figure>`;
}

function bars(channels: ChannelRanges, low: number, high: number): string {
  const joined = joinNeighbours(channels);
  const count = joined.min.length;
  const step = (WIDTH - 2 * MARGIN) / Math.max(count, 1);
  const y = (value: number): number =>
    MARGIN + ((high - value) / Math.max(high - low, Number.MIN_VALUE)) * (HEIGHT - 2 * MARGIN);
  const rects = Array.from({ length: count }, (_, index) => {
    const [top, bottom] = [y(joined.max[index] as number), y(joined.min[index] as number)];
    const height = Math.max(bottom - top, 0.5);
    return `<rect x="${fixed(MARGIN + index * step)}" y="${fixed(top)}" width="${fixed(step * 0.8)}" height="${fixed(height)}"/>`;
  });
  const zero = y(0);
  return `<svg width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">${rects.join('')}<line x1="0" x2="${WIDTH}" y1="${fixed(zero)}" y2="${fixed(zero)}"/></svg>`;
}

/** Zero is always in sight. */
function extent({ min, max }: ChannelRanges): { readonly low: number; readonly high: number } {
  return { low: min.reduce((a, b) => Math.min(a, b), 0), high: max.reduce((a, b) => Math.max(a, b), 0) };
}

function joinNeighbours({ min, max }: ChannelRanges): ChannelRanges {
  const each = Math.ceil(min.length / MOST_BARS);
  if (each <= 1) return { min, max };
  const count = Math.ceil(min.length / each);
  const part = (values: Float64Array, index: number): Float64Array => values.subarray(index * each, (index + 1) * each);
  return {
    min: Float64Array.from({ length: count }, (_, index) => part(min, index).reduce((a, b) => Math.min(a, b))),
    max: Float64Array.from({ length: count }, (_, index) => part(max, index).reduce((a, b) => Math.max(a, b))),
  };
}

function fixed(value: number): string {
  return String(Number(value.toFixed(2)));
}

function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
