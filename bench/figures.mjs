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
