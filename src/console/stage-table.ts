// Every stage of a run with its state, in one table.
import type { RunReport, StageReport } from '../report/run-report.ts';
import type { StageState } from '../events/run-events.ts';
import { causeWords } from './cause-words.ts';
import type { Colours } from './colours.ts';
import { progressWords } from './event-lines.ts';
import { failureWords } from './failure-words.ts';
import { chosenWords } from './gate-words.ts';
import { duration } from './quantities.ts';
import { renderTable } from './tables.ts';

export function stageTable(report: RunReport, colours: Colours): string {
  return renderTable(
    [
      { title: 'stage', align: 'left' },
      { title: 'state', align: 'left' },
      { title: 'time', align: 'right' },
      { title: 'why', align: 'left' },
    ],
    report.stages.map((stage) => [
      stage.id,
      stateWord(stage.state, colours),
      stage.milliseconds === undefined ? '' : duration(stage.milliseconds),
      why(stage),
    ]),
  );
}

export function stateWord(state: StageState, { green, red, yellow, dim, cyan }: Colours): string {
  switch (state) {
    case 'succeeded':
      return green(state);
    case 'running':
      return cyan(state);
    case 'failed':
    case 'timed-out':
      return red(state);
    case 'cancelled':
    case 'blocked':
      return yellow(state);
    case 'cached':
    case 'not-taken':
    case 'pending':
      return dim(state);
  }
}

function caseWords({ chosen = '?', verdict }: StageReport): string {
  return verdict === undefined ? chosen : chosenWords(verdict);
}

function why(stage: StageReport): string {
  switch (stage.state) {
    case 'running':
      return stage.progress === undefined ? '' : progressWords(stage.progress);
    case 'succeeded':
      return stage.chosen !== undefined
        ? `chose ${caseWords(stage)}`
        : stage.cause === undefined
          ? ''
          : causeWords(stage.cause, 1);
    case 'cached':
      return stage.chosen !== undefined ? `chose ${caseWords(stage)}` : `made by run ${stage.madeBy ?? '?'}`;
    case 'failed':
    case 'timed-out':
      return stage.failure === undefined ? '' : failureWords(stage.failure).message;
    case 'not-taken':
      return `${stage.gate ?? 'a gate'} chose ${stage.chosen ?? 'otherwise'}`;
    case 'blocked':
      return `by ${stage.by ?? 'a failure'}`;
    case 'cancelled':
    case 'pending':
      return '';
  }
}
