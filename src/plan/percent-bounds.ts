// Percentages that cannot be meant: a fraction given for percent, and numbers that every candidate meets, or none. Known of the
// number alone; what only the metric can tell is in `check-criteria.ts`.
import type { Bound } from './criteria.ts';

export interface Doubt {
  /** 'refused': whatever was meant, it was not this. 'unlikely': it has a use, such as forcing a branch. */
  readonly weight: 'refused' | 'unlikely';
  readonly why: string;
  readonly help: string;
}

/** The largest percent that is taken: ten times the reference, which nothing reaches, is the way to force the other branch. */
export const MOST_PERCENT = 1000;
/** Percentages of the reference up to here look like fractions: 0.99, 1.02. */
const FRACTION_LIKE = 1.5;
/** Changes by less than this share of a percent are below what any evaluation set shows. */
const TINY_PERCENT = 0.1;

export function doubtAbout({ rule, threshold }: Bound): Doubt | undefined {
  switch (rule) {
    case 'percentOfReference':
      return threshold > MOST_PERCENT ? tooLarge(threshold) : fractionOfReference(threshold);
    case 'maxDegradationPercent':
    case 'minImprovementPercent':
      return threshold > MOST_PERCENT ? tooLarge(threshold) : fractionOfChange(threshold);
    case 'atLeast':
    case 'atMost':
    case 'maxDegradation':
    case 'minImprovement':
      return undefined;
  }
}

function tooLarge(threshold: number): Doubt {
  const meant = rounded(threshold / 100);
  return {
    weight: 'refused',
    why: `${threshold} % of the reference is no bound for a metric`,
    help: `${meant <= MOST_PERCENT ? `did you mean ${meant}? ` : ''}100 is as much as the reference itself; ${MOST_PERCENT}, the most that is taken, is met by nothing and forces the other branch`,
  };
}

function fractionOfReference(threshold: number): Doubt | undefined {
  if (threshold > FRACTION_LIKE) return undefined;
  const why = `${threshold} % of the reference is met by nearly everything`;
  if (threshold === 1) {
    const help = 'write 100 where "as good as the reference" is meant; 1 is right where the case is to be forced';
    return { weight: 'unlikely', why, help };
  }
  const help = `the bound is in percent: did you mean ${rounded(threshold * 100)}? 1 is the way to force the case`;
  return { weight: 'refused', why, help };
}

function fractionOfChange(threshold: number): Doubt | undefined {
  if (threshold === 0 || threshold >= TINY_PERCENT) return undefined;
  return {
    weight: 'unlikely',
    why: `${threshold} % is less than an evaluation set can show`,
    help: `the bound is in percent: did you mean ${rounded(threshold * 100)}?`,
  };
}

/** 0.29 · 100 is 28.999999999999996. */
function rounded(value: number): number {
  return Number(value.toPrecision(12));
}
