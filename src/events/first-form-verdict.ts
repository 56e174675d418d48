// Verdicts of gates as journals of the first form hold them; closed, as the form is.
import type { Shape } from '../support/shape.ts';
import { count, fields, flag, listOf, mapOf, nullOr, number, oneOf, text } from '../support/shape.ts';

const judged = { case: text, held: flag };
const criterion = fields(
  {
    ...judged,
    head: text,
    metric: text,
    unit: nullOr(text),
    value: number,
    reference: nullOr(number),
    percent: nullOr(number),
    rule: oneOf(
      'percentOfReference',
      'atLeast',
      'atMost',
      'maxDegradation',
      'maxDegradationPercent',
      'minImprovement',
      'minImprovementPercent',
    ),
    threshold: number,
    margin: number,
  },
  {
    set: text,
    class: text,
    interval: fields({ level: number, low: number, high: number }),
    confidence: fields({ level: number, margin: number }),
    hysteresis: fields({ below: number, iterations: count, row: count }),
  },
);
const expression = fields(
  { ...judged, head: text, rule: oneOf('expression'), expression: text, read: mapOf(number) },
  { bounds: mapOf(number) },
);
const every = fields({ every: listOf(text) });
const some = fields({ some: listOf(text) });
const verdicts = fields({
  ...judged,
  rule: oneOf('verdicts'),
  asked: (value) => every(value) || some(value),
  decided: mapOf(text),
});
const time = fields({ ...judged, rule: oneOf('longerThan'), spentMs: number, budgetMs: number });

export const firstFormVerdict: Shape = fields(
  {
    format: oneOf('headgate-verdict'),
    version: oneOf(1),
    case: text,
    evidence: listOf((line) => [criterion, expression, verdicts, time].some((shape) => shape(line))),
  },
  { override: fields({ who: text, why: text, when: text, key: text, measured: text }) },
);
