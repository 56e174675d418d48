// HG14xx (40–49): criteria that cannot be meant, by their numbers alone or by what the task measures. One constructor per problem.
import { errorAt, warningAt } from '../diagnostic.ts';
import type { Diagnostic } from '../diagnostic.ts';
import type { Place } from '../source.ts';
import { listed, suggestion } from '../suggest.ts';

export function percentRefused(at: Place, rule: string, why: string, help: string): Diagnostic {
  return errorAt('HG1440', at, { message: `"${rule}" cannot be meant so: ${why}`, help });
}

export function percentUnlikely(at: Place, rule: string, why: string, help: string): Diagnostic {
  return warningAt('HG1441', at, { message: `"${rule}" is hardly meant so: ${why}`, help });
}

export function metricNotMeasured(at: Place, metric: string, task: string, known: readonly string[]): Diagnostic {
  return errorAt('HG1442', at, {
    message: `task "${task}" does not measure "${metric}"`,
    help: suggestion(metric, ['primary', ...known], 'its metrics'),
  });
}

export function metricHasNoClasses(at: Place, metric: string, known: readonly string[]): Diagnostic {
  return errorAt('HG1443', at, {
    message: `"${metric}" has no values per class`,
    help: `leave "worstClass" out, or decide on one of: ${listed(known)}`,
  });
}

export function wrongDirection(
  at: Place,
  metric: string,
  higherIsBetter: boolean,
  rule: string,
  threshold: number,
): Diagnostic {
  const [better, other] = higherIsBetter ? ['more', 'atLeast'] : ['less', 'atMost'];
  return errorAt('HG1444', at, {
    message: `of "${metric}" ${better} is better, and "${rule}": ${threshold} holds for what is worse`,
    help: `write "${other}"; a range for its own sake is an expression: {"expression": "metrics.${metric} ${higherIsBetter ? '<=' : '>='} ${threshold}"}`,
  });
}

/** @param holds whether every value of the metric meets the bound, or none. */
export function neverDecides(
  at: Place,
  metric: string,
  rule: string,
  threshold: number,
  holds: 'always' | 'never',
): Diagnostic {
  const meant = rule.endsWith('Percent') ? undefined : Number((threshold / 100).toPrecision(12));
  return errorAt('HG1445', at, {
    message: `"${rule}": ${threshold} ${holds === 'always' ? 'holds for every' : 'holds for no'} value of "${metric}"`,
    help:
      meant !== undefined && meant > 0 && meant <= 1
        ? `"${metric}" is a fraction of 1: did you mean ${meant}?`
        : 'a case that is always chosen, or never, has "if": true or false',
  });
}

export function confidenceNeedsReplicates(
  at: Place,
  confidence: number,
  stage: string,
  count: number,
  needed: number,
): Diagnostic {
  return errorAt('HG1446', at, {
    message: `a confidence of ${confidence} needs at least ${needed} bootstrap replicates, and ${stage} has ${count}`,
    help: 'raise "bootstrap": {"count": …} of the stage that measures, or ask for less confidence',
  });
}

export function implausibleWithCriteria(at: Place, name: string): Diagnostic {
  return errorAt('HG1448', at, {
    message: `the implausible case "${name}" has a condition`,
    help: 'it is chosen where something is not as the gate\'s "expect" says; it has no "criteria", "if" or "else"',
  });
}

export function nothingExpected(at: Place, gate: string, name: string): Diagnostic {
  return errorAt('HG1449', at, {
    message: `the implausible case "${name}" can never be chosen: gate "${gate}" expects nothing`,
    help: 'say what is expected: "with": {"expect": {"betterByAtMostPercent": 5}}',
  });
}

export function replicatesNotPaired(
  at: Place,
  own: string,
  reference: string,
  field: string,
  values: readonly (string | number)[],
): Diagnostic {
  return errorAt('HG1447', at, {
    message: `a confidence pairs the replicates of ${own} and ${reference}, but their ${field} is ${String(values[0])} and ${String(values[1])}`,
    help:
      field === 'split'
        ? 'measure both on the same split'
        : 'give both stages the same "bootstrap": {"count", "seed", "block"}',
  });
}
