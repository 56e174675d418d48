// Past runs as a table, newest first. On a narrow terminal what the run's own id says is left out.
import type { RunReport } from '../report/run-report.ts';
import { isJsonObject } from '../support/json.ts';
import type { Colours } from './colours.ts';
import { duration } from './quantities.ts';
import { outcomeWords } from './outcome-words.ts';
import { renderTable, type Column } from './tables.ts';

export interface ListedRun {
  readonly run: string;
  readonly running: boolean;
  /** Undefined for a run whose journal has lost its beginning. */
  readonly report: RunReport | undefined;
  /** What is wrong with its journal. */
  readonly damage: string | undefined;
}

const WIDE = 110;

export function runsText(runs: readonly ListedRun[], width: number, { green, red, yellow, dim }: Colours): string {
  const wide = width >= WIDE;
  const columns: readonly (Column & { readonly cell: (run: ListedRun) => string; readonly onlyWide?: true })[] = [
    { title: 'run', align: 'left', cell: ({ run }) => run },
    { title: 'started', align: 'left', cell: told(started), onlyWide: true },
    { title: 'workflow', align: 'left', cell: told(({ name }) => name) },
    { title: 'outcome', align: 'left', cell: outcome },
    {
      title: 'took',
      align: 'right',
      cell: told(({ finished }) => (finished === undefined ? '–' : duration(finished.milliseconds))),
    },
    { title: 'ran', align: 'right', cell: told((report) => number(report, 'succeeded')) },
    { title: 'cached', align: 'right', cell: told((report) => number(report, 'cached')) },
    { title: 'failed', align: 'right', cell: told((report) => number(report, 'failed', 'timed-out')) },
    { title: 'set', align: 'left', cell: told(set), onlyWide: true },
  ];
  const shown = columns.filter(({ onlyWide }) => wide || onlyWide !== true);
  return `${renderTable(
    shown,
    runs.map((run) => shown.map(({ cell }) => cell(run))),
  )}\n`;

  function outcome({ report, running, damage }: ListedRun): string {
    if (running) return yellow('running');
    if (report === undefined || damage !== undefined) return red('damaged');
    const words = outcomeWords(report);
    if (words === undefined) return dim('lost');
    return words === 'succeeded' ? green(words) : words.startsWith('failed') ? red(words) : yellow(words);
  }
}

/** A cell of what only a journal with a beginning says. */
function told(cell: (report: RunReport) => string): (run: ListedRun) => string {
  return ({ report }) => (report === undefined ? '–' : cell(report));
}

function started({ startedAt }: RunReport): string {
  const time = new Date(startedAt);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}`;
}

function number({ stages }: RunReport, ...states: readonly string[]): string {
  return String(stages.filter(({ state }) => states.includes(state)).length);
}

function set({ options }: RunReport): string {
  const words = Array.isArray(options['set']) ? options['set'].map(String) : [];
  const path = isJsonObject(options['params']) ? options['params']['path'] : undefined;
  const file = typeof path === 'string' ? [`--params ${path}`] : [];
  return [...file, ...words].join(' ');
}
