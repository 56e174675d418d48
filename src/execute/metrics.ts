// The facts of a metrics artifact, checked: the numbers that gates look at must be there, finite and have units.
import type { StageFailure } from '../events/failures.ts';
import type { MetricsFact } from '../events/run-events.ts';
import { isJsonObject } from '../support/json.ts';
import { err, ok, type Result } from '../support/result.ts';

const EXAMPLE =
  '{"format":"headgate-metrics","version":1,"task":"detection","primary":"mAP","values":{"mAP":0.5},"units":{"mAP":"fraction"},"higherIsBetter":{"mAP":true}}';

/** The facts of a metrics artifact, or why it is none. Numbers that are no numbers are named. */
export function parseFacts(port: string, document: unknown): Result<MetricsFact, StageFailure> {
  const malformed = (problem: string): Result<MetricsFact, StageFailure> =>
    err({ reason: 'metrics-malformed', port, problem: `${problem}; for example ${EXAMPLE}` });

  if (!isJsonObject(document)) return malformed('it is not a JSON object');
  if (document['format'] !== 'headgate-metrics' || document['version'] !== 1) {
    return malformed('"format" must be "headgate-metrics" and "version" 1');
  }
  const { task, primary, values } = document;
  const units = document['units'] ?? {};
  const higherIsBetter = document['higherIsBetter'] ?? {};
  if (typeof task !== 'string') return malformed('"task" must be a string');
  if (typeof primary !== 'string') return malformed('"primary" must name a metric');
  if (!isJsonObject(values)) return malformed('"values" must be an object of numbers');
  for (const [metric, value] of Object.entries(values)) {
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      return err({
        reason: 'metric-not-finite',
        metric,
        value: typeof value === 'object' ? JSON.stringify(value) : String(value),
      });
    }
  }
  if (!Object.hasOwn(values, primary))
    return err({ reason: 'metric-missing', metric: primary, available: Object.keys(values) });
  if (!isRecordOf(units, 'string')) return malformed('"units" must be an object of strings');
  if (!isRecordOf(higherIsBetter, 'boolean')) return malformed('"higherIsBetter" must be an object of booleans');
  return ok({ port, task, primary, values: values as MetricsFact['values'], units, higherIsBetter });
}

/** JSON, and what Python writes in its place: NaN and infinities become strings, which are then refused by name. */
export function parseLoosely(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    try {
      return JSON.parse(text.replace(/([:[,]\s*)(-?(?:NaN|Infinity))(?=\s*[,}\]])/g, '$1"$2"')) as unknown;
    } catch {
      return undefined;
    }
  }
}

function isRecordOf(value: unknown, type: 'string'): value is { readonly [name: string]: string };
function isRecordOf(value: unknown, type: 'boolean'): value is { readonly [name: string]: boolean };
function isRecordOf(value: unknown, type: 'string' | 'boolean'): boolean {
  return isJsonObject(value) && Object.values(value).every((item) => typeof item === type);
}
