// Numbers as people read them: durations, sizes, metrics. Words only.

/** `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`. */
export function duration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${pad(whole % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
}

export function byteSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toPrecision(3)} ${units[unit] ?? ''}`;
}

/** Fractions as percent, anything else in four digits. */
export function metricValue(value: number, unit: string | null | undefined): string {
  return unit === 'fraction' ? `${withMinus((100 * value).toFixed(2))} %` : shortNumber(value);
}

export function shortNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return withMinus(String(value));
  const size = Math.abs(value);
  return withMinus(size >= 1e-3 && size < 1e6 ? String(Number(value.toPrecision(4))) : value.toExponential(2));
}

/** With a minus in place of the hyphen. */
export function withMinus(number: string): string {
  return number.replace(/^-/, '−');
}

export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

export function shortDigest(text: string): string {
  return text.slice(0, 12);
}

function pad(number: number): string {
  return String(number).padStart(2, '0');
}
