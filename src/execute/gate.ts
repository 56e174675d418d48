// A gate's decision: first case whose criteria all hold, with the numbers that decided. Pure; a number that is missing, not
// finite or in other units fails the gate, it never means "false".
import type { StageFailure } from '../events/failures.ts';
import type { MetricsFact } from '../events/run-events.ts';
import type { Criterion, GateCase, GateSettings } from '../plan/plan.ts';
import type { JsonObject } from '../support/json.ts';
import { err, ok, type Result } from '../support/result.ts';

/** One head's numbers and what they are compared with. */
export interface GateSubject {
  readonly head: string;
  readonly metrics: MetricsFact;
  readonly reference?: MetricsFact;
}

export type EvidenceLine = {
  readonly case: string;
  readonly head: string;
  readonly metric: string;
  readonly unit: string | null;
  readonly value: number;
  readonly reference: number | null;
  /** Of the reference, by the metric's direction; null where no percent is asked. */
  readonly percent: number | null;
  readonly rule: 'percentOfReference' | 'atLeast' | 'atMost' | 'maxDegradation';
  readonly threshold: number;
  /** How far inside (positive) or outside the threshold, in the threshold's own unit. */
  readonly margin: number;
  readonly held: boolean;
};

export type Verdict = {
  readonly format: 'headgate-verdict';
  readonly version: 1;
  readonly case: string;
  readonly evidence: readonly EvidenceLine[];
};

/** The case that a verdict chose, also one that was read back as plain JSON. */
export function chosenCase(verdict: JsonObject): string {
  const { case: chosen } = verdict;
  if (typeof chosen !== 'string') throw new Error('a verdict without a case');
  return chosen;
}

/** `subjects[0]` is the gate's own head; with policy 'all' every subject must hold. */
export function decideGate(
  settings: GateSettings,
  subjects: readonly [GateSubject, ...GateSubject[]],
): Result<Verdict, StageFailure> {
  const judged = settings.policy === 'all' ? subjects : [subjects[0]];
  const evidence: EvidenceLine[] = [];
  for (const gateCase of settings.cases) {
    let held = true;
    for (const subject of judged) {
      for (const criterion of gateCase.criteria) {
        const line = judge(gateCase, criterion, subject);
        if (!line.ok) return line;
        evidence.push(line.value);
        held &&= line.value.held;
      }
    }
    if (held) return ok({ format: 'headgate-verdict', version: 1, case: gateCase.name, evidence });
  }
  return err({ reason: 'settings-invalid', problem: 'no case of the gate holds: the last case must be "else"' });
}

function judge(gateCase: GateCase, criterion: Criterion, subject: GateSubject): Result<EvidenceLine, StageFailure> {
  const { metrics } = subject;
  const metric = criterion.metric === 'primary' ? metrics.primary : criterion.metric;
  const value = numberOf(metrics, metric);
  if (!value.ok) return value;
  const unit = metrics.units[metric] ?? null;
  const line = { case: gateCase.name, head: subject.head, metric, unit, value: value.value };

  if ('atLeast' in criterion) {
    const margin = value.value - criterion.atLeast;
    return ok({
      ...line,
      reference: null,
      percent: null,
      rule: 'atLeast',
      threshold: criterion.atLeast,
      margin,
      held: margin >= 0,
    });
  }
  if ('atMost' in criterion) {
    const margin = criterion.atMost - value.value;
    return ok({
      ...line,
      reference: null,
      percent: null,
      rule: 'atMost',
      threshold: criterion.atMost,
      margin,
      held: margin >= 0,
    });
  }

  const reference = referenceOf(subject, metric, unit);
  if (!reference.ok) return reference;
  const higherIsBetter = metrics.higherIsBetter[metric] ?? true;
  if ('maxDegradation' in criterion) {
    const threshold = criterion.maxDegradation;
    const degradation = higherIsBetter ? reference.value - value.value : value.value - reference.value;
    const margin = threshold - degradation;
    return ok({
      ...line,
      reference: reference.value,
      percent: null,
      rule: 'maxDegradation',
      threshold,
      margin,
      held: margin >= 0,
    });
  }
  if (!(reference.value > 0)) return err({ reason: 'reference-not-positive', metric, value: reference.value });
  const percent = percentOf(value.value, reference.value, higherIsBetter);
  if (!Number.isFinite(percent))
    return err({ reason: 'metric-not-finite', metric, value: `${percent} percent of the reference` });
  const threshold = criterion.percentOfReference;
  const margin = percent - threshold;
  const held = criterion.strict === true ? margin > 0 : margin >= 0;
  return ok({ ...line, reference: reference.value, percent, rule: 'percentOfReference', threshold, margin, held });
}

/** v/ref where higher is better, ref/v where lower is: 100 is "as good as the reference" either way. */
function percentOf(value: number, reference: number, higherIsBetter: boolean): number {
  return higherIsBetter ? (100 * value) / reference : (100 * reference) / value;
}

function referenceOf(subject: GateSubject, metric: string, unit: string | null): Result<number, StageFailure> {
  if (subject.reference === undefined) {
    return err({
      reason: 'settings-invalid',
      problem: `the gate compares "${metric}" with a reference and has none for ${subject.head}`,
    });
  }
  const referenceUnit = subject.reference.units[metric] ?? null;
  if (unit !== referenceUnit) {
    return err({ reason: 'unit-mismatch', metric, unit: unit ?? 'none', referenceUnit: referenceUnit ?? 'none' });
  }
  return numberOf(subject.reference, metric);
}

function numberOf(metrics: MetricsFact, metric: string): Result<number, StageFailure> {
  const value = metrics.values[metric];
  if (value === undefined) return err({ reason: 'metric-missing', metric, available: Object.keys(metrics.values) });
  if (!Number.isFinite(value)) return err({ reason: 'metric-not-finite', metric, value: String(value) });
  return ok(value);
}
