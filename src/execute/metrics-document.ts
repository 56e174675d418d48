// Everything that a metrics artifact holds: the facts, values per class, and bootstrap replicates. What gates read; the
// facts alone go into journals and records.
import type { StageFailure } from '../events/failures.ts';
import type { MetricsFact } from '../events/run-events.ts';
import type { Drawing, Replicate } from '../expression/sampled-number.ts';
import { isJsonObject, type JsonObject } from '../support/json.ts';
import { err, ok, type Result } from '../support/result.ts';
import { parseFacts, parseLoosely } from './metrics.ts';

export interface MetricsDocument {
  readonly fact: MetricsFact;
  /** Metric → class → value; a class that occurs nowhere is left out. */
  readonly classes: ByClass<number>;
  readonly replicates?: Replicates;
}

export type ByClass<T> = { readonly [metric: string]: { readonly [name: string]: T } };

/** The metrics again over resampled images; `data` is a digest of them, where the producer knows it. */
export interface Replicates extends Drawing {
  readonly values: { readonly [metric: string]: readonly Replicate[] };
  readonly classes: ByClass<readonly Replicate[]>;
}

export function parseMetrics(port: string, text: string): Result<MetricsDocument, StageFailure> {
  const document = parseLoosely(text);
  const fact = parseFacts(port, document);
  if (!fact.ok || !isJsonObject(document)) return fact.ok ? err(malformed(port, 'it is not a JSON object')) : fact;
  const { classes = {}, replicates } = document;
  if (!isByClass(classes, (value) => typeof value === 'number' && Number.isFinite(value)))
    return err(malformed(port, '"classes" must be {metric: {class: number}}'));
  if (replicates === undefined || replicates === null) return ok({ fact: fact.value, classes });
  const read = parseReplicates(replicates);
  return typeof read === 'string'
    ? err(malformed(port, `"replicates" ${read}`))
    : ok({ fact: fact.value, classes, replicates: read });
}

/** The problem, where there is one. */
function parseReplicates(written: unknown): Replicates | string {
  if (!isJsonObject(written)) return 'must be an object';
  const { method, count, seed, block, images, data = null, values, classes = {} } = written;
  if (typeof method !== 'string') return 'needs a "method"';
  if (!isWhole(count) || !isWhole(seed) || !isWhole(block) || !isWhole(images))
    return 'needs whole numbers "count", "seed", "block" and "images"';
  if (data !== null && typeof data !== 'string') return 'has a "data" that is no digest';
  const isSeries = (value: unknown): value is readonly Replicate[] =>
    Array.isArray(value) && value.length === count && value.every(isReplicate);
  if (!isJsonObject(values) || !Object.values(values).every(isSeries) || !isByClass(classes, isSeries))
    return `needs ${count} numbers (or null) for each of its "values" and "classes"`;
  return { method, count, seed, block, images, data, values: values as Replicates['values'], classes };
}

function isByClass<T>(value: unknown, isLeaf: (leaf: unknown) => leaf is T): value is ByClass<T>;
function isByClass(value: unknown, isLeaf: (leaf: unknown) => boolean): value is ByClass<number>;
function isByClass(value: unknown, isLeaf: (leaf: unknown) => boolean): boolean {
  return isJsonObject(value) && Object.values(value).every((of) => isJsonObject(of) && Object.values(of).every(isLeaf));
}

function isReplicate(value: unknown): value is Replicate {
  return value === null || (typeof value === 'number' && Number.isFinite(value));
}

function isWhole(value: JsonObject[string] | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value);
}

function malformed(port: string, problem: string): StageFailure {
  return { reason: 'metrics-malformed', port, problem: `${problem}; see docs/gates.md` };
}
