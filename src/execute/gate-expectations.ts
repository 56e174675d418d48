// What a gate expects of the reference it compares with, and how much better a candidate may be than it: what is too good, or
// compared with something else than the workflow means, is implausible and decides before any case does. Pure.
import type { Expectation } from '../plan/plan.ts';
import type { ExpectationEvidence } from './gate-evidence.ts';
import type { MetricsDocument } from './metrics-document.ts';

interface Judged {
  readonly head: string;
  readonly sets: readonly {
    readonly name?: string;
    readonly metrics: MetricsDocument;
    readonly reference?: MetricsDocument;
  }[];
}

/** One line for everything that is expected, of every set; a reference that does not say what was asked is not the expected one. */
export function expectationLines(expect: Expectation, caseName: string, { head, sets }: Judged): ExpectationEvidence[] {
  return sets.flatMap(({ name, metrics, reference }) => {
    const line = (
      what: ExpectationEvidence['what'],
      found: ExpectationEvidence['found'],
      expected: string | number,
      held: boolean,
      more: Pick<ExpectationEvidence, 'metric' | 'tolerance'> = {},
    ): ExpectationEvidence => ({
      case: caseName,
      head,
      ...(name === undefined ? {} : { set: name }),
      rule: 'expectation',
      what,
      found,
      expected,
      ...more,
      held,
    });
    const lines: ExpectationEvidence[] = [];
    const { task, images, data, reference: value, betterByAtMostPercent: most } = expect;
    if (task !== undefined) {
      const found = reference?.fact.task ?? null;
      lines.push(line('task', found, task, found === task));
    }
    if (images !== undefined) {
      const found = reference?.replicates?.images ?? null;
      lines.push(line('images', found, images, found === images));
    }
    if (data !== undefined) {
      const found = reference?.replicates?.data ?? null;
      lines.push(line('data', found, data, found?.startsWith(data) === true));
    }
    if (value !== undefined) {
      const metric = metricOf(value.metric ?? 'primary', metrics);
      const found = reference?.fact.values[metric] ?? null;
      const held = found !== null && Math.abs(found - value.value) <= value.tolerance;
      lines.push(line('value', found, value.value, held, { metric, tolerance: value.tolerance }));
    }
    if (most !== undefined) {
      const metric = metricOf('primary', metrics);
      const found = improvement(metric, metrics, reference);
      lines.push(line('improvement', found, most, found !== null && found <= most, { metric }));
    }
    return lines;
  });
}

function metricOf(name: string, { fact }: MetricsDocument): string {
  return name === 'primary' ? fact.primary : name;
}

/** The improvement in percent of the reference; null where one of the two is missing, or the reference is not positive. */
function improvement(metric: string, own: MetricsDocument, reference: MetricsDocument | undefined): number | null {
  const [value, other] = [own.fact.values[metric], reference?.fact.values[metric]];
  if (value === undefined || other === undefined || !(other > 0)) return null;
  const better = (own.fact.higherIsBetter[metric] ?? true) ? value - other : other - value;
  return (100 * better) / other;
}
