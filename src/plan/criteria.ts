// The rules that a criterion may follow, for those who check, judge and print criteria.
import type { Criterion, Rule } from './plan.ts';

export const rules: readonly Rule[] = [
  'percentOfReference',
  'atLeast',
  'atMost',
  'maxDegradation',
  'maxDegradationPercent',
  'minImprovement',
  'minImprovementPercent',
];

export interface Bound {
  readonly rule: Rule;
  readonly threshold: number;
}

export function boundOf(criterion: Criterion): Bound {
  const found = Object.entries(criterion).find(([name]) => isRule(name));
  if (found === undefined) throw new Error(`a criterion for ${criterion.metric} compares with nothing`);
  const [rule, threshold] = found as [Rule, number];
  return { rule, threshold };
}

export function isRule(name: string): name is Rule {
  return (rules as readonly string[]).includes(name);
}

export function needsReference(rule: Rule): boolean {
  return rule !== 'atLeast' && rule !== 'atMost';
}
