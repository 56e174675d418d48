// Numbers as the result page shows them: medians with their spread, never means alone.

/** @returns count, smallest, median, 95th percentile and largest of the finite values. */
export function summarise(values) {
  const sorted = values.filter(Number.isFinite).sort((left, right) => left - right);
  return {
    n: sorted.length,
    min: sorted[0],
    median: quantile(sorted, 0.5),
    p95: quantile(sorted, 0.95),
    max: sorted.at(-1),
  };
}

export function median(values) {
  return summarise(values).median;
}

/** Linear interpolation between the two nearest ranks. */
function quantile(sorted, share) {
  if (sorted.length === 0) return undefined;
  const rank = share * (sorted.length - 1);
  const below = sorted[Math.floor(rank)];
  return below + (rank - Math.floor(rank)) * (sorted[Math.ceil(rank)] - below);
}

/** 0.213 s, 12.4 s, 132 s: three digits, as many as such a measurement is worth. */
export function seconds(milliseconds) {
  if (!Number.isFinite(milliseconds)) return '–';
  return `${Number((milliseconds / 1000).toPrecision(3))} s`;
}

export function millis(milliseconds) {
  return Number.isFinite(milliseconds) ? `${Number(milliseconds.toPrecision(3))} ms` : '–';
}

export function mebibytes(bytes) {
  return Number.isFinite(bytes) ? `${Math.round(bytes / 2 ** 20)} MiB` : '–';
}
