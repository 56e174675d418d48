// What each kind of task metric measures, as the settings of a task say it before anything runs: names, units, directions, and
// which values there are per class. The formulas are the kernel's; here is only what gates may ask for.
import { isJsonObject, jsonText } from '../support/json.ts';
import type { Json, JsonObject } from '../support/json.ts';

export interface TaskMetric {
  readonly name: string;
  /** A fraction lies between 0 and 1; what a `value` is measured in the task says, or nobody. */
  readonly unit: 'fraction' | 'decibels' | 'value';
  readonly higherIsBetter: boolean;
  readonly perClass: boolean;
}

/** Every value that the task's metric gives; undefined of a kind that is not known here. */
export function metricsOf(task: JsonObject): readonly TaskMetric[] | undefined {
  const metric = settingsOf(task);
  switch (metric['kind']) {
    case 'centre-map':
      return detection(metric);
    case 'miou':
      return segmentation(metric);
    case 'classification':
      return classification(metric, task['classes']);
    case 'regression':
      return ['rmse', 'mae'].map((name) => ({ name, unit: 'value', higherIsBetter: false, perClass: true }));
    case 'sqnr':
      return [{ name: 'sqnr', unit: 'decibels', higherIsBetter: true, perClass: true }];
    default:
      return undefined;
  }
}

/** The value that gates mean by "primary". */
export function primaryOf(task: JsonObject): string {
  const metric = settingsOf(task);
  if (typeof metric['primary'] === 'string') return metric['primary'];
  return metricsOf(task)?.[0]?.name ?? jsonText(metric['kind']);
}

function settingsOf({ metric }: JsonObject): JsonObject {
  return isJsonObject(metric) ? metric : {};
}

const rates = ['precision', 'recall', 'f1'].map((name) => fraction(name));

function detection({ distance, score }: JsonObject): readonly TaskMetric[] {
  const distances: readonly Json[] = Array.isArray(distance) && distance.length > 1 ? distance : [];
  const at = distances.map((one) => fraction(`mAP@${jsonText(one)}`));
  return [fraction('mAP'), ...at, ...(score === undefined ? [] : rates)];
}

function segmentation({ also, primary }: JsonObject): readonly TaskMetric[] {
  const asked: readonly Json[] = [...(Array.isArray(also) ? (also as readonly Json[]) : []), primary ?? ''];
  return [fraction('mIoU'), fraction('pixelAccuracy'), ...rates.filter(({ name }) => asked.includes(name))];
}

/** Top 5 comes by itself where there are more classes, or where nobody has said how many. */
function classification({ topK }: JsonObject, classes: Json | undefined): readonly TaskMetric[] {
  const few = typeof classes === 'number' && classes <= 5;
  const among: readonly Json[] = Array.isArray(topK) ? topK : few ? [] : [5];
  return [fraction('accuracy'), ...among.map((k) => ({ ...fraction(`top${jsonText(k)}`), perClass: false })), ...rates];
}

function fraction(name: string): TaskMetric {
  return { name, unit: 'fraction', higherIsBetter: true, perClass: true };
}
