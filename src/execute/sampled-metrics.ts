// Metrics as a condition sees them: every value with its bootstrap replicates, where it has any.
import { Sample } from '../expression/sampled-number.ts';
import type { MetricsDocument } from './metrics-document.ts';

type Samples = { readonly [name: string]: Sample };

export function sampledValues({ fact, replicates }: MetricsDocument): Samples {
  return samples(fact.values, replicates?.values, replicates);
}

/** Metric → class → value. */
export function sampledClasses({ classes, replicates }: MetricsDocument): { readonly [metric: string]: Samples } {
  return Object.fromEntries(
    Object.entries(classes).map(([metric, of]) => [metric, samples(of, replicates?.classes[metric], replicates)]),
  );
}

function samples(
  values: { readonly [name: string]: number },
  replicates: { readonly [name: string]: readonly (number | null)[] } | undefined,
  drawing: MetricsDocument['replicates'],
): Samples {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      new Sample({ value, replicates: replicates?.[name], drawing }),
    ]),
  );
}
