// Metrics of one task made of a few numbers, and what a gate with one case makes of them.
import { decideGate, type GateSubject } from '../../src/execute/gate.ts';
import type { CriterionEvidence } from '../../src/execute/gate-evidence.ts';
import type { MetricsDocument, Replicates } from '../../src/execute/metrics-document.ts';
import type { Criterion, GateCase } from '../../src/plan/plan.ts';

export interface Numbers {
  readonly classes?: { readonly [name: string]: number };
  readonly replicates?: Partial<Replicates>;
  readonly higherIsBetter?: boolean;
}

export function metrics(value: number, { classes, replicates, higherIsBetter = true }: Numbers = {}): MetricsDocument {
  const drawn = { method: 'bootstrap', count: 0, seed: 0, block: 1, images: 10, data: null, values: {}, classes: {} };
  return {
    fact: {
      port: 'metrics',
      task: 'seg',
      primary: 'mIoU',
      values: { mIoU: value },
      units: { mIoU: 'fraction' },
      higherIsBetter: { mIoU: higherIsBetter },
    },
    classes: classes === undefined ? {} : { mIoU: classes },
    ...(replicates === undefined ? {} : { replicates: { ...drawn, ...replicates } }),
  };
}

export function subject(
  own: MetricsDocument,
  reference?: MetricsDocument,
  history: readonly MetricsDocument[] = [],
): GateSubject {
  const set = { metrics: own, ...(reference === undefined ? {} : { reference }), history };
  return { head: 'seg', sets: [set], iteration: history.length };
}

export function decide(criteria: readonly Criterion[], judged: GateSubject, more: Partial<GateCase> = {}) {
  const cases = [
    { name: 'pass', criteria, ...more },
    { name: 'fail', criteria: [] },
  ];
  return decideGate({ cases, policy: 'own' }, [judged]);
}

export function linesOf(criterion: Criterion, judged: GateSubject): readonly CriterionEvidence[] {
  const verdict = decide([criterion], judged);
  if (!verdict.ok) throw new Error(JSON.stringify(verdict.error));
  return verdict.value.evidence as readonly CriterionEvidence[];
}

export const failureOf = (criterion: Criterion, judged: GateSubject) => {
  const verdict = decide([criterion], judged);
  return verdict.ok ? verdict.value : verdict.error;
};
