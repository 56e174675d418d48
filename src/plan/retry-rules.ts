// A stage's `retry` as written → how often, after how long and for what it is tried again.
import { wrongShape } from '../diagnostics/catalogue/parameters.ts';
import { notAllowed } from '../diagnostics/catalogue/schema.ts';
import { innerPlace, memberOf, toJson } from '../diagnostics/located-json.ts';
import type { Located } from '../diagnostics/located-json.ts';
import { retryWords } from '../events/failure-reasons.ts';
import { parseDuration } from '../support/duration.ts';
import { jsonText } from '../support/json.ts';
import type { Problems } from './instance.ts';
import type { Backoff, RetryRules } from './plan.ts';

export interface Retries {
  readonly retries: number;
  readonly retryRules?: RetryRules;
}

const MOST_ATTEMPTS = 100;
const DEFAULT_BACKOFF: Backoff = { firstMs: 1000, factor: 2, mostMs: 60_000, jitter: false };

/**
 * @param node with every substitution filled in; a number is how many more times, `attempts` counts the first one too.
 * @param ownReasons what the stage's kind declares beside headgate's own reasons.
 */
export function retriesOf(node: Located | undefined, ownReasons: readonly string[], problems: Problems): Retries {
  if (node === undefined) return { retries: 0 };
  const wrong = (at: Located, field: string, expected: string): undefined =>
    void problems.push(wrongShape(innerPlace(at), field, expected));
  const whole = (at: Located, field: string, least: number): number | undefined =>
    at.type === 'number' && Number.isSafeInteger(at.value) && at.value >= least && at.value <= MOST_ATTEMPTS
      ? at.value
      : wrong(at, field, `a whole number from ${least} to ${MOST_ATTEMPTS}`);

  if (node.type === 'number') return withRules(whole(node, 'retry', 0) ?? 0, DEFAULT_BACKOFF, undefined);
  const attempts = memberOf(node, 'attempts');
  if (attempts === undefined) {
    wrong(node, 'retry', 'a whole number, or an object with "attempts"');
    return { retries: 0 };
  }
  return withRules(
    (whole(attempts, 'attempts', 1) ?? 1) - 1,
    backoffOf(node, wrong),
    namedReasons(node, ownReasons, problems),
  );
}

function withRules(retries: number, backoff: Backoff, on: readonly string[] | undefined): Retries {
  return retries === 0 ? { retries } : { retries, retryRules: { backoff, ...(on === undefined ? {} : { on }) } };
}

function backoffOf(node: Located, wrong: (at: Located, field: string, expected: string) => undefined): Backoff {
  const written = memberOf(node, 'backoff');
  if (written === undefined) return DEFAULT_BACKOFF;
  const time = (field: string, otherwise: number): number => {
    const value = memberOf(written, field);
    if (value === undefined) return otherwise;
    return parseDuration(jsonText(toJson(value))) ?? wrong(value, field, 'a time from "1ms" to "500h"') ?? otherwise;
  };
  const factor = memberOf(written, 'factor');
  const jitter = memberOf(written, 'jitter');
  const firstMs = time('first', DEFAULT_BACKOFF.firstMs);
  return {
    firstMs,
    factor: factor?.type === 'number' ? factor.value : DEFAULT_BACKOFF.factor,
    mostMs: Math.max(firstMs, time('most', DEFAULT_BACKOFF.mostMs)),
    jitter: jitter?.type === 'boolean' && jitter.value,
  };
}

/** A word that no failure has would never be met, and the stage never tried again: it is refused. */
function namedReasons(node: Located, ownReasons: readonly string[], problems: Problems): readonly string[] | undefined {
  const on = memberOf(node, 'on');
  if (on?.type !== 'array') return undefined;
  const known = [...ownReasons.map((word) => `job-failed:${word}`), ...retryWords];
  return on.items.flatMap((item) => {
    if (item.type !== 'string') return [];
    if (!known.includes(item.value)) problems.push(notAllowed(innerPlace(item), '"on"', item.value, known));
    return [item.value];
  });
}
