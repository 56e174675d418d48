// A gate's evidence in words: each number, what it was compared with, and by how much it held or fell short.
import type { EvidenceLine } from '../execute/gate.ts';
import { isJsonObject, type JsonObject } from '../support/json.ts';
import { unreachable } from '../support/result.ts';
import { metricValue, shortNumber } from './quantities.ts';

/** The lines that decided: those of the chosen case, and for `else` those that fell short. */
export function decidingLines(verdict: JsonObject): readonly EvidenceLine[] {
  const lines = evidenceOf(verdict);
  const chosen = lines.filter((line) => line.case === verdict['case']);
  return chosen.length > 0 ? chosen : lines.filter((line) => !line.held);
}

export function evidenceOf(verdict: JsonObject): readonly EvidenceLine[] {
  const { evidence } = verdict;
  // Written by `decideGate`; the verdict travels as plain JSON.
  return Array.isArray(evidence) ? (evidence as readonly unknown[]).filter(isEvidence) : [];
}

export function evidenceWords(line: EvidenceLine): string {
  const value = `${line.head} ${line.metric} ${metricValue(line.value, line.unit)}`;
  const verdict = line.held ? 'holds' : 'falls short';
  const margin = `${line.margin >= 0 ? '+' : '−'}${shortNumber(Math.abs(line.margin))}`;
  const reference = line.reference === null ? '' : metricValue(line.reference, line.unit);
  switch (line.rule) {
    case 'percentOfReference':
      return `${value} is ${percent(line.percent)} % of ${reference}, ${line.case} asks ${line.threshold} %: ${verdict} (${margin})`;
    case 'atLeast':
      return `${value}, ${line.case} asks at least ${metricValue(line.threshold, line.unit)}: ${verdict} (${margin})`;
    case 'atMost':
      return `${value}, ${line.case} asks at most ${metricValue(line.threshold, line.unit)}: ${verdict} (${margin})`;
    case 'maxDegradation':
      return `${value} against ${reference}, ${line.case} allows ${metricValue(line.threshold, line.unit)} less: ${verdict} (${margin})`;
    default:
      return unreachable(line.rule);
  }
}

function percent(value: number | null): string {
  return value === null ? '?' : value.toFixed(2);
}

function isEvidence(value: unknown): value is EvidenceLine & JsonObject {
  return isJsonObject(value) && typeof value['metric'] === 'string' && typeof value['value'] === 'number';
}
