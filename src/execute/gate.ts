// A gate's decision: the first case whose criteria and expression all hold, with the numbers that decided. Pure; what cannot
// be judged fails the gate, it never means "false".
import type { StageFailure } from '../events/failures.ts';
import type { GateOverride } from '../events/gate-override.ts';
import { evaluateCondition } from '../expression/condition.ts';
import type { ConditionValue } from '../expression/condition-values.ts';
import { sampledClasses, sampledValues } from './sampled-metrics.ts';
import { boundOf } from '../plan/criteria.ts';
import type { Criterion, GateSettings, VerdictCondition } from '../plan/plan.ts';
import type { JsonObject } from '../support/json.ts';
import { err, ok, type Result } from '../support/result.ts';
import type { CriterionEvidence, EvidenceLine, ExpressionEvidence, VerdictEvidence } from './gate-evidence.ts';
import { expectationLines } from './gate-expectations.ts';
import { measureCriterion, type Measured } from './gate-measure.ts';
import type { MetricsDocument } from './metrics-document.ts';

/** One head's numbers and what they are compared with. */
export interface GateSubject {
  readonly head: string;
  /** One without a name, or several with one each. */
  readonly sets: readonly EvaluationSet[];
  /** In a loop: how many iterations were before this one. */
  readonly iteration?: number;
}

export interface EvaluationSet {
  readonly name?: string;
  readonly metrics: MetricsDocument;
  readonly reference?: MetricsDocument;
  /** Its metrics in earlier iterations of the loop, the first one first. */
  readonly history?: readonly MetricsDocument[];
}

export type Verdict = {
  readonly format: 'headgate-verdict';
  readonly version: 1;
  readonly case: string;
  readonly evidence: readonly EvidenceLine[];
  /** A person chose `case` in place of the measured one. */
  readonly override?: Omit<GateOverride, 'case'> & { readonly measured: string };
};

/** The case that a verdict chose, also one that was read back as plain JSON. */
export function chosenCase(verdict: JsonObject): string {
  const { case: chosen } = verdict;
  if (typeof chosen !== 'string') throw new Error('a verdict without a case');
  return chosen;
}

/** The numbers stay in evidence; only the choice is another's. */
export function overriddenVerdict(
  verdict: Verdict,
  { cases }: GateSettings,
  { case: chosen, who, why, when, key }: GateOverride,
): Result<Verdict, StageFailure> {
  if (!cases.some(({ name }) => name === chosen))
    return err({
      reason: 'settings-invalid',
      problem: `the gate is overridden to "${chosen}", which it has no case of`,
    });
  return ok({ ...verdict, case: chosen, override: { who, why, when, key, measured: verdict.case } });
}

/** What other gates chose, by key; a single verdict has the key ''. */
export type Decided = { readonly [key: string]: string };

/** What a gate is told beside numbers. */
export interface Told {
  readonly decided?: Decided;
  /** What its timed jobs took. */
  readonly spentMs?: number;
}

/**
 * `subjects[0]` is the gate's own head; with policy 'all' every subject must hold. A gate that decides on verdicts alone
 * has none.
 */
export function decideGate(
  settings: GateSettings,
  subjects: readonly GateSubject[],
  { decided = {}, spentMs = 0 }: Told = {},
): Result<Verdict, StageFailure> {
  const judged = settings.policy === 'all' ? subjects : subjects.slice(0, 1);
  const evidence: EvidenceLine[] = [];
  const doubted = settings.cases.find(({ implausible }) => implausible === true);
  const { expect } = settings;
  if (expect !== undefined) {
    const name = doubted?.name ?? 'implausible';
    evidence.push(...judged.flatMap((subject) => expectationLines(expect, name, subject)));
    const verdict = { format: 'headgate-verdict', version: 1, case: name, evidence } as const;
    if (evidence.some(({ held }) => !held))
      return doubted === undefined ? err({ reason: 'gate-implausible', verdict }) : ok(verdict);
  }
  for (const { name, implausible, criteria, expression, verdicts, longerThanMs } of settings.cases) {
    if (implausible === true) continue;
    let held = true;
    if (longerThanMs !== undefined) {
      held = spentMs > longerThanMs;
      evidence.push({ case: name, rule: 'longerThan', spentMs, budgetMs: longerThanMs, held });
    }
    if (verdicts !== undefined) {
      const line = judgeVerdicts(name, verdicts, decided);
      evidence.push(line);
      held &&= line.held;
    }
    for (const subject of judged) {
      for (const criterion of criteria) {
        const lines = judgeCriterion(name, criterion, subject);
        if (!lines.ok) return lines;
        evidence.push(...lines.value);
        held &&= lines.value.every((line) => line.held);
      }
      if (expression === undefined) continue;
      const line = judgeExpression(name, expression, subject);
      if (!line.ok) return line;
      evidence.push(line.value);
      held &&= line.value.held;
    }
    if (held) return ok({ format: 'headgate-verdict', version: 1, case: name, evidence });
  }
  return err({ reason: 'settings-invalid', problem: 'no case of the gate holds: the last case must be "else"' });
}

function judgeVerdicts(name: string, condition: VerdictCondition, decided: Decided): VerdictEvidence {
  const chosen = Object.values(decided);
  const held =
    'every' in condition
      ? chosen.every((one) => condition.every.includes(one))
      : chosen.some((one) => condition.some.includes(one));
  return { case: name, rule: 'verdicts', asked: condition, decided, held };
}

/** One line for every evaluation set that the criterion is about. */
function judgeCriterion(
  name: string,
  criterion: Criterion,
  { head, sets }: GateSubject,
): Result<readonly CriterionEvidence[], StageFailure> {
  const lines: CriterionEvidence[] = [];
  for (const set of sets) {
    if (criterion.set !== undefined && criterion.set !== set.name) continue;
    const now = measureCriterion(criterion, set.metrics, set.reference);
    if (!now.ok) return now;
    const row = rowOf(criterion, now.value, set);
    if (!row.ok) return row;
    const { hysteresis } = criterion;
    lines.push({
      case: name,
      head,
      ...(set.name === undefined ? {} : { set: set.name }),
      ...now.value,
      ...boundOf(criterion),
      ...(criterion.strict === true && !('percentOfReference' in criterion) ? { strict: true } : {}),
      ...(hysteresis === undefined ? {} : { hysteresis: { ...hysteresis, row: row.value } }),
      held: hysteresis === undefined ? isMet(criterion, now.value) : row.value >= hysteresis.iterations,
    });
  }
  if (lines.length > 0) return ok(lines);
  return err({ reason: 'settings-invalid', problem: `the gate has no evaluation set "${criterion.set ?? ''}"` });
}

/** What decides: the margin that is exceeded with the asked confidence, or the point's. */
function decidingMargin({ margin, confidence }: Measured): number {
  return confidence?.margin ?? margin;
}

function isMet({ strict }: Criterion, measured: Measured): boolean {
  const margin = decidingMargin(measured);
  return strict === true ? margin > 0 : margin >= 0;
}

/** Iterations up to this one without a fall below the band, from the earliest of them that met the bound. */
function rowOf(
  criterion: Criterion,
  now: Measured,
  { reference, history = [] }: EvaluationSet,
): Result<number, StageFailure> {
  if (criterion.hysteresis === undefined) return ok(0);
  const { below } = criterion.hysteresis;
  let row = 0;
  for (let index = history.length, since = 1; index >= 0; index--, since++) {
    const earlier = history[index];
    const measured = earlier === undefined ? ok(now) : measureCriterion(criterion, earlier, reference);
    if (!measured.ok) return measured;
    if (decidingMargin(measured.value) < -below) break;
    if (isMet(criterion, measured.value)) row = since;
  }
  return ok(row);
}

function judgeExpression(
  name: string,
  expression: string,
  { head, sets, iteration }: GateSubject,
): Result<ExpressionEvidence, StageFailure> {
  const [first] = sets;
  const named = first?.name !== undefined;
  const of = (pick: (set: EvaluationSet) => ConditionValue | undefined): ConditionValue | undefined => {
    if (!named) return first === undefined ? undefined : pick(first);
    const values = sets.flatMap((set) => {
      const value = pick(set);
      return value === undefined ? [] : [[set.name ?? '', value] as const];
    });
    return values.length < sets.length ? undefined : Object.fromEntries(values);
  };
  const reference = of((set) => set.reference && sampledValues(set.reference));
  const outcome = evaluateCondition(
    expression,
    {
      sets: named ? sets.map((set) => set.name ?? '') : undefined,
      reference: reference !== undefined,
      iteration: iteration !== undefined,
    },
    {
      metrics: of((set) => sampledValues(set.metrics)) ?? {},
      classes: of((set) => sampledClasses(set.metrics)) ?? {},
      ...(reference === undefined ? {} : { reference }),
      ...(iteration === undefined ? {} : { iteration }),
    },
  );
  if (!outcome.ok) return err({ reason: 'expression-failed', expression, problem: outcome.error });
  const { held, read, bounds } = outcome.value;
  const taken = Object.keys(bounds).length === 0 ? {} : { bounds };
  return ok({ case: name, head, rule: 'expression', expression, read, ...taken, held });
}
