// Times as people write them: `500ms`, `90s`, `10m`, `1.5h`. Only reading; how times are printed is the console's business.

/** Below 2³¹ milliseconds, the most that a timer takes. */
export const LONGEST_DURATION_MS = 500 * 3_600_000;

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** Milliseconds; undefined for another form, for less than one millisecond and for more than a timer takes. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  if (match === null) return undefined;
  const milliseconds = Math.round(Number(match[1]) * UNITS[match[2] as keyof typeof UNITS]);
  return milliseconds >= 1 && milliseconds <= LONGEST_DURATION_MS ? milliseconds : undefined;
}
