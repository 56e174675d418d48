// Patterns of schemas that users write. A pattern can take exponentially long on a text that was made for it; it gets a
// moment, and a text that it cannot judge in that time does not match.
import { createContext, Script } from 'node:vm';
import type { Context } from 'node:vm';

/** Of all patterns of one schema together. */
const BUDGET_MS = 1000;

export interface Pattern {
  /** What the validator's library tells patterns apart by. */
  toString(): string;
  test(text: string): boolean;
}

/** Makes the patterns of one schema; `code` is what the validator's library wants to know for code that it writes out. */
export function boundedPatterns(): ((source: string, flags: string) => Pattern) & { code: string } {
  // A match cannot be stopped from outside, but a script that runs one can.
  const script = new Script('new RegExp(source, flags).test(text)');
  let context: Context | undefined;
  let left = BUDGET_MS;
  const make = (source: string, flags: string): Pattern => {
    new RegExp(source, flags); // what is no pattern is told when the schema is compiled
    return {
      toString: () => `/${source}/${flags}`,
      test: (text) => {
        if (left <= 0) return false;
        context ??= createContext({});
        Object.assign(context, { source, flags, text });
        const startedAt = performance.now();
        try {
          return script.runInContext(context, { timeout: Math.ceil(left) }) === true;
        } catch {
          return false; // the time is up
        } finally {
          left -= performance.now() - startedAt;
        }
      },
    };
  };
  return Object.assign(make, { code: 'new RegExp' });
}
