// What a run would do, stage by stage, in words; then how long it would take and what it would write.
import type { RunForecast } from '../compose/forecast.ts';
import type { StageEstimate } from '../execute/estimate.ts';
import type { StageForecast } from '../execute/forecast.ts';
import { unreachable } from '../support/result.ts';
import { causeWords } from './cause-words.ts';
import type { Colours } from './colours.ts';
import { failureWords } from './failure-words.ts';
import { askedWords, byWords, lapsedWords } from './gate-words.ts';
import { byteSize, count, duration } from './quantities.ts';

export function planText({ stages, totals, estimate }: RunForecast, colours: Colours): string {
  const width = Math.max(0, ...stages.map(({ stage }) => stage.length));
  const lines = stages.flatMap((forecast) => {
    const words = forecastWords(forecast, colours);
    return [
      `${forecast.stage.padEnd(width)}  ${words}${estimateWords(forecast.estimate, colours)}`,
      ...decisionWords(forecast).map((line) => `${' '.repeat(width)}    ${colours.dim(line)}`),
    ];
  });
  return `${[...lines, '', totalsWords(totals), ...amountLines(estimate, colours)].join('\n')}\n`;
}

function estimateWords(estimate: StageEstimate | undefined, { dim }: Colours): string {
  if (estimate === undefined) return '';
  const time = duration(estimate.milliseconds);
  return dim(estimate.from === 'stage' ? ` (${time} last time)` : ` (about ${time}, as others of its kind)`);
}

/** Below a gate's line: an override of it, and the conditions of its cases. */
export function decisionWords({ decision }: StageForecast): readonly string[] {
  if (decision === undefined) return [];
  const { override, lapsed, expressions = {}, verdicts = {} } = decision;
  return [
    ...(override === undefined ? [] : [`override to ${override.case} ${byWords(override)}`]),
    ...(lapsed === undefined ? [] : [lapsedWords(lapsed)]),
    ...Object.entries(expressions).map(([name, expression]) => `${name} asks ${expression}`),
    ...Object.entries(verdicts).map(([name, condition]) => `${name} asks ${askedWords(condition)}`),
  ];
}

export function forecastWords(forecast: StageForecast, { dim, yellow, cyan, red, bold }: Colours): string {
  switch (forecast.will) {
    case 'restore':
      if (forecast.until !== undefined) return dim(`cached, if ${forecast.until.join(', ')} lets it be taken`);
      return `${dim('cached')}${chosenWords(forecast.chosen)}${dim(`, made by ${makerWords(forecast)}`)}`;
    case 'run':
      return `${cyan('run')}${chosenWords(forecast.chosen)}: ${causeWords(forecast.cause)}`;
    case 'run-unless-unchanged':
      return `${yellow('run')} unless the output of ${forecast.behind.join(', ')} is unchanged`;
    case 'unknown':
      return `${yellow('unknown')} until ${forecast.until.join(', ')} has decided`;
    case 'not-taken':
      return dim(`not taken: ${forecast.gate} chooses ${forecast.chosen}`);
    case 'stop-the-run':
      return `${red('stops the run')}: ${forecast.reason}`;
    case 'fail':
      return `${red('fails')}: ${failureWords(forecast.failure).message}`;
    case 'be-blocked':
      return `${red('blocked')} by ${bold(forecast.by)}`;
    default:
      return unreachable(forecast);
  }
}

function makerWords({ madeBy, sharedWith }: Extract<StageForecast, { will: 'restore' }>): string {
  return madeBy === undefined ? `${sharedWith ?? 'another stage'} in the same run` : `run ${madeBy}`;
}

const TOTALS: { readonly [will in StageForecast['will']]: string } = {
  run: 'to run',
  'run-unless-unchanged': 'more unless unchanged',
  unknown: 'unknown until a gate decides',
  restore: 'cached',
  'not-taken': 'not taken',
  'stop-the-run': 'that ends the run',
  fail: 'that cannot run',
  'be-blocked': 'blocked',
};

/** What is cached or runs is always said, the rest where there is some. */
function totalsWords(totals: RunForecast['totals']): string {
  return Object.entries(TOTALS)
    .map(([will, words]) => [totals[will as StageForecast['will']], words, will] as const)
    .filter(([number, , will]) => number > 0 || will === 'run' || will === 'restore')
    .map(([number, words]) => `${number} ${words}`)
    .join(', ');
}

function amountLines(estimate: RunForecast['estimate'], { yellow, red }: Colours): readonly string[] {
  const { least, most, unknown, cpu, freeBytes, fits } = estimate;
  const lines: string[] = [];
  if (most.workMs > 0) {
    const work = least.workMs > least.wallClockMs * 1.05 ? ` (${duration(least.workMs)} of work)` : '';
    const sure = least.workMs === 0 ? 'nothing for sure' : `about ${duration(least.wallClockMs)}${work}`;
    const more = most.wallClockMs > least.wallClockMs ? `, up to ${duration(most.wallClockMs)}` : '';
    lines.push(`time: ${sure}${more}, on ${count(cpu, 'core')}`);
  }
  if (most.bytes > 0) {
    const more = most.bytes > least.bytes ? `, up to ${byteSize(most.bytes)}` : '';
    const free = freeBytes === undefined ? '' : `; ${byteSize(freeBytes)} free`;
    lines.push(`disk: about ${byteSize(least.bytes)} more${more}${free}`);
    if (!fits) lines.push(red('The disk may not hold that: free some space, or run `headgate cache gc`.'));
  }
  if (unknown.length > 0 && most.workMs > 0) {
    const named = unknown.slice(0, 4).join(', ');
    const rest = unknown.length > 4 ? ` and ${unknown.length - 4} more` : '';
    lines.push(yellow(`no earlier run to estimate ${named}${rest} by`));
  }
  return lines;
}

function chosenWords(chosen: string | undefined): string {
  return chosen === undefined ? '' : ` → ${chosen}`;
}
