// Means and differences as the pages of results spell them.

export function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function two(value) {
  return value === undefined || value === null || Number.isNaN(value) ? '–' : value.toFixed(2);
}

export function signed(value) {
  if (value === undefined || value === null || Number.isNaN(value)) return '–';
  return `${value >= 0 ? '+' : '−'}${Math.abs(value).toFixed(2)}`;
}

/** Below this many points in two epochs a float model counts as trained to its plateau. */
const PLATEAU = 0.3;

/** @param gains task → points that the float model gained when it was trained on for so many epochs. */
export function plateauLines(gains, epochs) {
  const each = (value) => Object.entries(gains).map(([task, gain]) => `${signed(value(gain))} (${task})`);
  const inTwo = (gain) => (2 * gain) / epochs;
  const reached = Object.values(gains).every((gain) => inTwo(gain) < PLATEAU);
  return [
    `Trained on for ${epochs} epochs, at a learning rate that starts anew, the float model gains ${each((gain) => gain).join(' and ')}`,
    `points (mean of the seeds for which that was done): on average ${each(inTwo).join(' and ')} in two epochs. It counts as trained`,
    `to its plateau below ${PLATEAU}:`,
    `${reached ? 'it is' : '**it is not**'}.`,
  ];
}
