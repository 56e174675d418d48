// The stage kind `best`: which of several candidates has the best metric. A number that is missing, not finite or in other
// units fails the stage; it never loses quietly.
import type { StageFailure } from '../events/failures.ts';
import type { MetricsFact, OutputRecord } from '../events/run-events.ts';
import type { JsonObject } from '../support/json.ts';
import { err, ok, type Result } from '../support/result.ts';
import type { ResolvedInput } from './edges.ts';

export interface Candidate {
  readonly key: string;
  readonly metrics: MetricsFact;
}

/** The first of the best candidates, in the metric's own direction. */
export function bestOf(settings: JsonObject, candidates: readonly Candidate[]): Result<Candidate, StageFailure> {
  let best: { readonly candidate: Candidate; readonly value: number } | undefined;
  const [first] = candidates;
  if (first === undefined) return err({ reason: 'settings-invalid', problem: 'there is no candidate' });
  const { metric: named } = settings;
  const metric = typeof named === 'string' && named !== 'primary' ? named : first.metrics.primary;
  const higher = first.metrics.higherIsBetter[metric] ?? true;
  const unit = first.metrics.units[metric] ?? null;
  for (const candidate of candidates) {
    const { values, units } = candidate.metrics;
    const value = values[metric];
    if (value === undefined) return err({ reason: 'metric-missing', metric, available: Object.keys(values) });
    if (!Number.isFinite(value)) return err({ reason: 'metric-not-finite', metric, value: String(value) });
    const own = units[metric] ?? null;
    if (own !== unit)
      return err({ reason: 'unit-mismatch', metric, unit: own ?? 'none', referenceUnit: unit ?? 'none' });
    if (best === undefined || (higher ? value > best.value : value < best.value)) best = { candidate, value };
  }
  return best === undefined ? err({ reason: 'metric-missing', metric, available: [] }) : ok(best.candidate);
}

/** `head[2]` of the input collections becomes the output `head`, for the key that was chosen. */
export function membersOf(inputs: readonly ResolvedInput[], key: string): { readonly [port: string]: OutputRecord } {
  const suffix = `[${key}]`;
  return Object.fromEntries(
    inputs
      .filter(({ port }) => port.endsWith(suffix) && !port.startsWith('metrics['))
      .map(({ port, output }) => [port.slice(0, -suffix.length), output]),
  );
}
