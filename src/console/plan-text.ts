// What a run would do, stage by stage, in words.
import type { StageForecast } from '../execute/forecast.ts';
import { unreachable } from '../support/result.ts';
import { causeWords } from './cause-words.ts';
import type { Colours } from './colours.ts';
import { failureWords } from './failure-words.ts';
import { duration } from './quantities.ts';

export function planText(forecasts: readonly StageForecast[], colours: Colours): string {
  const width = Math.max(0, ...forecasts.map(({ stage }) => stage.length));
  const lines = forecasts.map((forecast) => `${forecast.stage.padEnd(width)}  ${forecastWords(forecast, colours)}`);
  return `${[...lines, '', countsOfPlan(forecasts)].join('\n')}\n`;
}

export function forecastWords(forecast: StageForecast, { dim, yellow, cyan, red, bold }: Colours): string {
  const estimate = 'estimateMs' in forecast ? dim(` (${duration(forecast.estimateMs)} last time)`) : '';
  switch (forecast.will) {
    case 'restore':
      if (forecast.until !== undefined) return dim(`cached, if ${forecast.until.join(', ')} lets it be taken`);
      return `${dim('cached')}${chosenWords(forecast.chosen)}${dim(`, made by run ${forecast.madeBy}`)}`;
    case 'run':
      return `${cyan('run')}${chosenWords(forecast.chosen)}: ${causeWords(forecast.cause)}${estimate}`;
    case 'run-unless-unchanged':
      return `${yellow('run')} unless the output of ${forecast.behind.join(', ')} is unchanged${estimate}`;
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

function countsOfPlan(forecasts: readonly StageForecast[]): string {
  const number = (...kinds: readonly StageForecast['will'][]): number =>
    forecasts.filter(({ will }) => kinds.includes(will)).length;
  const parts = [
    `${number('run')} to run`,
    `${number('run-unless-unchanged')} more unless unchanged`,
    `${number('unknown')} unknown until a gate decides`,
    `${number('restore')} cached`,
    `${number('not-taken')} not taken`,
  ];
  const known = forecasts.reduce((sum, forecast) => sum + ('estimateMs' in forecast ? forecast.estimateMs : 0), 0);
  return `${parts.join(', ')}${known > 0 ? `; about ${duration(known)} of work, by the last times` : ''}`;
}

function chosenWords(chosen: string | undefined): string {
  return chosen === undefined ? '' : ` → ${chosen}`;
}
