// The final numbers per head: which role (float, calibrated, QAT, merged, integer runtime, report split) reached what.
import type { MetricsFact } from '../events/run-events.ts';
import { byCodeUnit } from '../support/canonical-json.ts';
import { roleOf, type RunReport } from './run-report.ts';

export interface HeadTable {
  readonly task: string;
  readonly primary: string;
  /** Metric names, the primary one first. */
  readonly metrics: readonly string[];
  readonly rows: readonly HeadRow[];
}

export interface HeadRow {
  readonly role: string;
  readonly stage: string;
  readonly facts: MetricsFact;
  /** Of the float row of the same split, by the metric's direction. */
  readonly percentOfFloat?: number;
}

/** In the order of the strategy; roles it does not know come after, as the workflow has them. */
const ROLE_ORDER = [
  'float',
  'float-longer',
  'backbone-quantised',
  'finetuned',
  'calibrated',
  'qat',
  'released',
  'merged',
  'integer',
];
const REPORT = 'report-';
const MAX_METRICS = 4;

export function headTables(report: RunReport): readonly HeadTable[] {
  const byTask = new Map<string, Map<string, HeadRow>>();
  for (const stage of report.stages) {
    const role = roleOf(stage);
    if (role === undefined) continue;
    for (const facts of stage.facts.metrics) {
      const rows = byTask.get(facts.task) ?? new Map<string, HeadRow>();
      rows.set(role, { role, stage: stage.id, facts });
      byTask.set(facts.task, rows);
    }
  }
  return [...byTask].map(([task, rows]) => tableOf(task, rows));
}

function tableOf(task: string, rows: ReadonlyMap<string, HeadRow>): HeadTable {
  const sorted = [...rows.values()].sort((left, right) => rank(left.role) - rank(right.role));
  const primary = sorted[0]?.facts.primary ?? '';
  const names = new Set(sorted.flatMap(({ facts }) => Object.keys(facts.values)));
  names.delete(primary);
  return {
    task,
    primary,
    metrics: [primary, ...[...names].sort(byCodeUnit)].slice(0, MAX_METRICS),
    rows: sorted.map((row) => withPercent(row, rows.get(row.role.startsWith(REPORT) ? `${REPORT}float` : 'float'))),
  };
}

function withPercent(row: HeadRow, float: HeadRow | undefined): HeadRow {
  const [value, reference] = [row.facts.values[row.facts.primary], float?.facts.values[row.facts.primary]];
  if (value === undefined || reference === undefined || !(reference > 0) || float === row) return row;
  const higher = row.facts.higherIsBetter[row.facts.primary] ?? true;
  return { ...row, percentOfFloat: higher ? (100 * value) / reference : (100 * reference) / value };
}

function rank(role: string): number {
  const report = role.startsWith(REPORT);
  const position = ROLE_ORDER.indexOf(report ? role.slice(REPORT.length) : role);
  return (report ? 100 : 0) + (position < 0 ? 50 : position);
}
