// A gate's evidence in words: each number, what it was compared with, and by how much it held or fell short.
import type { GateOverride } from '../events/gate-override.ts';
import type {
  CriterionEvidence,
  EvidenceLine,
  ExpectationEvidence,
  ExpressionEvidence,
  TimeEvidence,
  VerdictEvidence,
} from '../execute/gate-evidence.ts';
import { isJsonObject, jsonText, type JsonObject } from '../support/json.ts';
import { unreachable } from '../support/result.ts';
import { duration, metricValue, shortNumber, withMinus } from './quantities.ts';

/** The lines that decided: those of the chosen case; those that fell short for `else`, and where the time was up. */
export function decidingLines(verdict: JsonObject): readonly EvidenceLine[] {
  const lines = evidenceOf(verdict);
  const measured = overrideOf(verdict)?.measured ?? verdict['case'];
  const chosen = lines.filter((line) => line.case === measured);
  if (chosen.length > 0 && chosen.every((line) => line.rule !== 'longerThan')) return chosen;
  return lines.filter((line) => !line.held || line.case === measured);
}

/** What a verdict says of a person's decision, where one replaced the measured one. */
export function overrideOf(verdict: JsonObject): OverrideInVerdict | undefined {
  const { override } = verdict;
  return isJsonObject(override) ? (override as JsonObject & OverrideInVerdict) : undefined;
}

type OverrideInVerdict = Omit<GateOverride, 'case'> & { readonly measured: string };

/** `pass (override of fail by Ann on 2026-11-22: …)`, or the case alone. */
export function chosenWords(verdict: JsonObject): string {
  const override = overrideOf(verdict);
  const chosen = jsonText(verdict['case']);
  return override === undefined ? chosen : `${chosen} (override of ${override.measured} ${byWords(override)})`;
}

/** `by Ann on 2026-11-22: the night set is mislabelled`. */
export function byWords({ who, why, when }: Pick<GateOverride, 'who' | 'why' | 'when'>): string {
  return `by ${who} on ${when.slice(0, 10)}: ${why}`;
}

export function lapsedWords(override: GateOverride): string {
  return `the override to ${override.case} ${byWords(override)} has lapsed: the gate's numbers or cases have changed`;
}

export function evidenceOf(verdict: JsonObject): readonly EvidenceLine[] {
  const { evidence } = verdict;
  // Written by `decideGate`; the verdict travels as plain JSON.
  return Array.isArray(evidence) ? (evidence as readonly unknown[]).filter(isEvidence) : [];
}

export function evidenceWords(line: EvidenceLine): string {
  switch (line.rule) {
    case 'expression':
      return expressionWords(line);
    case 'expectation':
      return expectationWords(line);
    case 'verdicts':
      return verdictWords(line);
    case 'longerThan':
      return timeWords(line);
    default:
      return criterionWords(line);
  }
}

/** `detection mAP is 12.00 % better than its reference, at most 5 % are expected: implausible`. */
function expectationWords(line: ExpectationEvidence): string {
  const { head, set, what, metric = '', found, expected, tolerance, held } = line;
  const where = `${head}${set === undefined ? '' : ` on ${set}`}`;
  const end = held ? 'as expected' : 'implausible';
  if (what === 'improvement') {
    const better = found === null ? 'cannot be compared with' : `is ${Number(found).toFixed(2)} % better than`;
    return `${where} ${metric} ${withMinus(better)} its reference, at most ${expected} % are expected: ${end}`;
  }
  const of = what === 'value' ? metric : `"${what}"`;
  const range = tolerance === undefined ? '' : ` ± ${shortNumber(tolerance)}`;
  const told = found === null ? 'is not told' : `is ${typeof found === 'number' ? shortNumber(found) : found}`;
  return `the reference of ${where}: ${of} ${told}, ${expected}${range} is expected: ${end}`;
}

/** `detection → done, segmentation → exhausted; keep asks pass or done of every one: falls short`. */
function verdictWords(line: VerdictEvidence): string {
  const decided = Object.entries(line.decided).map(([key, chosen]) => (key === '' ? chosen : `${key} → ${chosen}`));
  return `${decided.join(', ')}; ${line.case} asks ${askedWords(line.asked)}: ${heldWord(line)}`;
}

/** `pass or done of every one`. */
export function askedWords(condition: VerdictEvidence['asked']): string {
  return 'every' in condition
    ? `${condition.every.join(' or ')} of every one`
    : `${condition.some.join(' or ')} of some one`;
}

/** `12 min 03 s of 20 min 00 s spent`. */
function timeWords({ spentMs, budgetMs, held }: TimeEvidence): string {
  return `${duration(spentMs)} of ${duration(budgetMs)} spent${held ? ': no further iteration' : ''}`;
}

function criterionWords(line: CriterionEvidence): string {
  return `${subjectWords(line)}${comparisonWords(line)}: ${criterionHeldWord(line)} (${marginWords(line)})${rowWords(line)}`;
}

/** With hysteresis a bound can have been met, and not for long enough. */
function criterionHeldWord(line: CriterionEvidence): string {
  return !line.held && (line.hysteresis?.row ?? 0) > 0 ? 'not yet' : heldWord(line);
}

function subjectWords({ head, set, metric, class: worst, value, unit }: CriterionEvidence): string {
  const where = set === undefined ? '' : ` on ${set}`;
  const of = worst === undefined ? '' : ` of its worst class ${worst}`;
  return `${head}${where} ${metric}${of} ${metricValue(value, unit)}`;
}

/** After the value: what it is compared with, and what the case asks. */
function comparisonWords(line: CriterionEvidence): string {
  const { case: name, rule, unit } = line;
  const reference = line.reference === null ? '' : metricValue(line.reference, unit);
  const threshold = metricValue(line.threshold, unit);
  switch (rule) {
    case 'percentOfReference':
      return isOfReciprocal(line)
        ? ` against ${reference}: ${percent(line.percent)} % (reference / value, lower is better), ${name} asks ${line.threshold} %`
        : ` is ${percent(line.percent)} % of ${reference}, ${name} asks ${line.threshold} %`;
    case 'atLeast':
      return `, ${name} asks at least ${threshold}`;
    case 'atMost':
      return `, ${name} asks at most ${threshold}`;
    case 'maxDegradation':
      return ` against ${reference}, ${name} allows ${threshold} worse`;
    case 'maxDegradationPercent':
      return ` is ${percent(line.percent)} % worse than ${reference}, ${name} allows ${line.threshold} %`;
    case 'minImprovement':
      if (line.threshold === 0) return ` is ${orderWords(line)} ${reference}, ${name} asks ${betterWords(line)}`;
      return ` against ${reference}, ${name} asks ${threshold} better`;
    case 'minImprovementPercent':
      return ` is ${percent(line.percent)} % better than ${reference}, ${name} asks ${line.threshold} %`;
    default:
      return unreachable(rule);
  }
}

/** How a value and its reference compare as numbers; which of them is better is said by what the case asks. */
function orderWords({ value, reference }: CriterionEvidence): string {
  if (reference === null || value === reference) return 'equal to';
  return value < reference ? 'below' : 'above';
}

function betterWords({ strict }: CriterionEvidence): string {
  return strict === true ? 'better' : 'as good';
}

/**
 * Of an error, where lower is better, the percentage is reference / value. Verdicts do not say which it was, so their numbers do;
 * where both are equal, so are the words.
 */
function isOfReciprocal({ value, reference, percent: told }: CriterionEvidence): boolean {
  if (told === null || reference === null || value === 0 || reference === 0) return false;
  return Math.abs(told - (100 * reference) / value) < Math.abs(told - (100 * value) / reference);
}

function marginWords({ margin, confidence, interval }: CriterionEvidence): string {
  if (confidence !== undefined)
    return `${signed(margin)}, with ${level(confidence.level)} confidence at least ${signed(confidence.margin)}`;
  if (interval === undefined) return signed(margin);
  return `${signed(margin)}, ${level(interval.level)} between ${signed(interval.low)} and ${signed(interval.high)}`;
}

function rowWords({ hysteresis }: CriterionEvidence): string {
  if (hysteresis === undefined) return '';
  const { below, iterations, row } = hysteresis;
  return `, ${row} of ${iterations} iterations in a row since it was met, none more than ${shortNumber(below)} below`;
}

function expressionWords(line: ExpressionEvidence): string {
  const values = Object.entries({ ...line.read, ...line.bounds }).map(
    ([path, value]) => `${path} ${shortNumber(value)}`,
  );
  const read = values.length === 0 ? '' : ` (${values.join(', ')})`;
  return `${line.head}, ${line.case} asks ${line.expression}: ${heldWord(line)}${read}`;
}

function heldWord({ held }: EvidenceLine): string {
  return held ? 'holds' : 'falls short';
}

function signed(margin: number): string {
  return `${margin >= 0 ? '+' : '−'}${shortNumber(Math.abs(margin))}`;
}

function level(value: number): string {
  return `${shortNumber(value * 100)} %`;
}

function percent(value: number | null): string {
  return value === null ? '?' : withMinus(value.toFixed(2));
}

function isEvidence(value: unknown): value is EvidenceLine & JsonObject {
  if (!isJsonObject(value)) return false;
  switch (value['rule']) {
    case 'expression':
      return typeof value['expression'] === 'string' && isJsonObject(value['read']);
    case 'expectation':
      return typeof value['what'] === 'string' && typeof value['held'] === 'boolean';
    case 'verdicts':
      return isJsonObject(value['asked']) && isJsonObject(value['decided']);
    case 'longerThan':
      return typeof value['spentMs'] === 'number' && typeof value['budgetMs'] === 'number';
    default:
      return typeof value['metric'] === 'string' && typeof value['value'] === 'number';
  }
}
