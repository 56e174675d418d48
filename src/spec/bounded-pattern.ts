// Patterns of schemas that users write. A pattern can take exponentially long on a text that was made for it; it gets a
// moment, and a text that it cannot judge in that time does not match.
import { boundedCall } from '../support/bounded-call.ts';

/** Of all patterns of one schema together. */
const BUDGET_MS = 1000;

export interface Pattern {
  /** What the validator's library tells patterns apart by. */
  toString(): string;
  test(text: string): boolean;
}

/** Makes the patterns of one schema; `code` is what the validator's library wants to know for code that it writes out. */
export function boundedPatterns(): ((source: string, flags: string) => Pattern) & { code: string } {
  let left = BUDGET_MS;
  const make = (source: string, flags: string): Pattern => {
    const pattern = new RegExp(source, flags); // what is no pattern is told when the schema is compiled
    return {
      toString: () => `/${source}/${flags}`,
      test: (text) => {
        const startedAt = performance.now();
        const matched = boundedCall(() => pattern.test(text), left);
        left -= performance.now() - startedAt;
        return matched.ok && matched.value;
      },
    };
  };
  return Object.assign(make, { code: 'new RegExp' });
}
