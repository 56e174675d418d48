// Thresholds from a histogram of magnitudes: what the observers that clip (observers.ts) choose. A threshold lies between 0 and
// the largest magnitude; values beyond it are clipped.
import { HISTOGRAM_BINS } from './observation.ts';
import type { MagnitudeHistogram, Observation } from './observation.ts';
import { fakeQuantValue, limits, scaleOf } from './scheme.ts';
import type { Format } from './scheme.ts';

/** The upper edge of the bin in which `percentile` percent of the values are reached. */
export function percentileThreshold({ histogram, magnitude }: Observation, percentile: number): number {
  const total = histogram.counts.reduce((sum, count) => sum + count, 0);
  let seen = 0;
  for (const [bin, count] of histogram.counts.entries()) {
    seen += count;
    if (seen >= (total * percentile) / 100) return Math.min((bin + 1) * widthOf(histogram), magnitude);
  }
  return magnitude;
}

/** The one of least squared error among `candidates` equal fractions of the largest magnitude; the largest of equals. */
export function mseThreshold({ histogram, magnitude }: Observation, candidates: number, format: Format): number {
  let best = { error: Infinity, threshold: magnitude };
  for (let candidate = candidates; candidate >= 1; candidate--) {
    const threshold = (magnitude * candidate) / candidates;
    const error = squaredError(histogram, scaleOf(-threshold, threshold, format), format, best.error);
    if (error < best.error) best = { error, threshold };
  }
  return best.threshold;
}

/**
 * Σ count·(centre − fake-quantised centre)². Negative values lie on the same side as positive ones here; an unsigned format
 * only meets values that are ≥ 0.
 * @param enough stop as soon as the sum is not below it.
 */
export function squaredError(histogram: MagnitudeHistogram, scale: number, format: Format, enough = Infinity): number {
  const width = widthOf(histogram);
  let error = 0;
  for (let bin = 0; bin < HISTOGRAM_BINS && error < enough; bin++) {
    const count = histogram.counts[bin] as number;
    if (count === 0) continue;
    const centre = (bin + 0.5) * width;
    error += count * (centre - fakeQuantValue(centre, scale, format)) ** 2;
  }
  return error;
}

/** Distance in bins between two thresholds that `entropyThreshold` tries. */
const ENTROPY_STRIDE = 8;
/** Stands for a probability of 0 where the reference has some. */
const LEAST_PROBABILITY = 1e-9;

/**
 * The threshold of least Kullback-Leibler divergence between the values and their quantised selves (Migacz, "8-bit inference
 * with TensorRT", 2017), over bins: P holds the bins below the threshold and, in its last one, all that is clipped; Q holds
 * the same bins in as many groups as the format has magnitudes, every group spread evenly over its bins that P fills. The
 * first bin, which quantises to 0 exactly, counts as much as the second (as NVIDIA's pytorch-quantization does). A format
 * with more magnitudes than there are bins clips nothing.
 */
export function entropyThreshold({ histogram, magnitude }: Observation, format: Format): number {
  const { qmin, qmax } = limits(format);
  const groups = format.signed ? -qmin : qmax + 1;
  const counts = histogram.counts.slice();
  counts[0] = counts[1] as number;
  const used = counts.findLastIndex((count) => count > 0) + 1;
  if (used <= groups) return magnitude;
  let best = { divergence: Infinity, bins: used };
  for (let bins = groups; ; bins = Math.min(bins + ENTROPY_STRIDE, used)) {
    const divergence = divergenceAt(counts, bins, groups);
    // The widest of equals, so that nothing is clipped without gain.
    if (divergence <= best.divergence) best = { divergence, bins };
    if (bins === used) break;
  }
  return Math.min(best.bins * widthOf(histogram), magnitude);
}

function divergenceAt(counts: Float64Array, bins: number, groups: number): number {
  const reference = counts.slice(0, bins);
  const kept = reference.reduce((sum, count) => sum + count, 0);
  const total = counts.reduce((sum, count) => sum + count, 0);
  reference[bins - 1] = (reference[bins - 1] as number) + (total - kept);
  let divergence = 0;
  for (let group = 0; group < groups; group++) {
    const [from, to] = [Math.floor((group * bins) / groups), Math.floor(((group + 1) * bins) / groups)];
    let [sum, filled] = [0, 0];
    for (let bin = from; bin < to; bin++) {
      sum += counts[bin] as number;
      if ((reference[bin] as number) > 0) filled++;
    }
    const even = Math.max(sum / filled / kept, LEAST_PROBABILITY);
    for (let bin = from; bin < to; bin++) {
      const p = (reference[bin] as number) / total;
      if (p > 0) divergence += p * Math.log(p / even);
    }
  }
  return divergence;
}

function widthOf({ top }: MagnitudeHistogram): number {
  return top / HISTOGRAM_BINS;
}
