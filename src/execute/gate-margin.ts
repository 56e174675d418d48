// How far a number is inside a criterion's bound, by the metric's direction. Numbers only: used for the point value and for
// every bootstrap replicate alike.
import type { Bound } from '../plan/criteria.ts';

export interface Margin {
  /** Inside (positive) or outside the threshold, in the threshold's own unit. */
  readonly margin: number;
  /** What a percent rule compares with its threshold; null for the others. */
  readonly percent: number | null;
}

/** @param reference NaN for rules that need none. */
export function marginOf(
  { rule, threshold }: Bound,
  higherIsBetter: boolean,
  value: number,
  reference: number,
): Margin {
  const better = higherIsBetter ? value - reference : reference - value;
  const worse = higherIsBetter ? reference - value : value - reference;
  switch (rule) {
    case 'atLeast':
      return { margin: value - threshold, percent: null };
    case 'atMost':
      return { margin: threshold - value, percent: null };
    case 'maxDegradation':
      return { margin: threshold - worse, percent: null };
    case 'minImprovement':
      return { margin: better - threshold, percent: null };
    case 'percentOfReference': {
      // v/ref where higher is better, ref/v where lower is: 100 is "as good as the reference" either way.
      const percent = higherIsBetter ? (100 * value) / reference : (100 * reference) / value;
      return { margin: percent - threshold, percent };
    }
    case 'maxDegradationPercent': {
      const percent = (100 * worse) / reference;
      return { margin: threshold - percent, percent };
    }
    case 'minImprovementPercent': {
      const percent = (100 * better) / reference;
      return { margin: percent - threshold, percent };
    }
  }
}
