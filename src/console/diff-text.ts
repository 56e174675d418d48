// Two runs side by side, in words: what was asked differently, what came out differently, and what ran again and why.
import type { MetricDifference, RunDifference, RunSide, StageDifference, StageSide } from '../compose/compare-runs.ts';
import { causeWords } from './cause-words.ts';
import type { Colours } from './colours.ts';
import { count, duration, metricValue } from './quantities.ts';
import { renderTable } from './tables.ts';

export function diffText(difference: RunDifference, colours: Colours): string {
  const { before, after, params, metrics, verdicts, stages, same } = difference;
  const { bold, dim } = colours;
  const section = (title: string, lines: readonly string[]): readonly string[] =>
    lines.length === 0 ? [] : ['', bold(title), ...lines];
  return `${[
    `before  ${sideWords(before, colours)}`,
    `after   ${sideWords(after, colours)}`,
    ...section(
      'Parameters',
      params.map(
        ({ pointer, before: old, after: now }) => `${dotted(pointer)} ${old ?? '(absent)'} → ${now ?? '(absent)'}`,
      ),
    ),
    ...section('Metrics', metrics.length === 0 ? [] : [metricTable(metrics, colours)]),
    ...section(
      'Gates',
      verdicts.map(
        ({ stage, before: old, after: now }) => `${stage}: ${old ?? '(not decided)'} → ${now ?? '(not decided)'}`,
      ),
    ),
    ...section(
      'Stages',
      stages.map((stage) => stageLine(stage, colours)),
    ),
    '',
    dim(stages.length === 0 ? `all ${count(same, 'stage')} the same` : `${count(same, 'stage')} the same`),
  ].join('\n')}\n`;
}

function sideWords({ run, name, outcome, milliseconds }: RunSide, { dim }: Colours): string {
  const end = outcome === null ? 'not ended' : `${outcome} in ${duration(milliseconds ?? 0)}`;
  return `${run}  ${name}  ${dim(end)}`;
}

function metricTable(metrics: readonly MetricDifference[], { green, red }: Colours): string {
  const rows = metrics.map(({ stage, metric, unit, before, after, difference, better }) => {
    const value = (number: number | null): string => (number === null ? '–' : metricValue(number, unit));
    const sign = difference !== null && difference > 0 ? '+' : '';
    const change = difference === null ? '' : `${sign}${metricValue(difference, unit)}`;
    const word = better === null ? '' : better ? green('better') : red('worse');
    return [stage, metric, value(before), value(after), change, word];
  });
  return renderTable(
    [
      { title: 'stage', align: 'left' },
      { title: 'metric', align: 'left' },
      { title: 'before', align: 'right' },
      { title: 'after', align: 'right' },
      { title: 'change', align: 'right' },
      { title: '', align: 'left' },
    ],
    rows,
  );
}

function stageLine({ stage, before, after, cause }: StageDifference, { dim }: Colours): string {
  const states = `${sideState(before)} → ${sideState(after)}`;
  return `${stage}: ${states}${cause === undefined ? '' : dim(`, because ${causeWords(cause)}`)}`;
}

function sideState(side: StageSide | null): string {
  if (side === null) return '(not in the workflow)';
  const { state, milliseconds } = side;
  return state === 'succeeded' && milliseconds !== null ? `ran in ${duration(milliseconds)}` : state;
}

/** `/a/b` as it is written after --set. */
function dotted(pointer: string): string {
  return pointer
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
    .join('.');
}
