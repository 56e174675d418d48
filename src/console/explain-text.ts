// The answer to "why?": for one stage, what its newest run did and what a run would do now, each with its reasons.
import type { RunCause } from '../events/run-events.ts';
import type { StageForecast } from '../execute/forecast.ts';
import type { RunReport, StageReport } from '../report/run-report.ts';
import { changeWords, causeWords } from './cause-words.ts';
import type { Colours } from './colours.ts';
import { failureWords } from './failure-words.ts';
import { chosenWords, evidenceOf, evidenceWords } from './gate-words.ts';
import { decisionWords, forecastWords } from './plan-text.ts';
import { count, duration, shortDigest } from './quantities.ts';

export interface StageAnswer {
  readonly stage: string;
  readonly at: { readonly file: string; readonly line: number };
  readonly past?: StageReport;
  readonly now?: StageForecast;
}

export function explainText(
  { stage, at, past, now }: StageAnswer,
  report: RunReport | undefined,
  colours: Colours,
): string {
  const lines = [`${colours.bold(stage)} ${colours.dim(`${at.file}:${at.line}`)}`];
  if (past !== undefined && report !== undefined)
    lines.push(`  in run ${report.run}: ${pastWords(past)}`, ...details(past));
  if (now !== undefined) lines.push(`  a run now: ${forecastWords(now, colours)}`);
  if (now?.will === 'run' && now.cause.because === 'changed' && now.cause.changes.length > 1) {
    lines.push(...now.cause.changes.map((change) => `    ${changeWords(change)}`));
  }
  if (now !== undefined) lines.push(...decisionWords(now).map((line) => `    ${line}`));
  return `${lines.join('\n')}\n`;
}

function pastWords(stage: StageReport): string {
  switch (stage.state) {
    case 'succeeded':
      return `ran${stage.milliseconds === undefined ? '' : ` in ${duration(stage.milliseconds)}`}${stage.cause === undefined ? '' : `, because ${becauseWords(stage.cause)}`}`;
    case 'cached':
      return `cached, made by run ${stage.madeBy ?? '?'}`;
    case 'not-taken':
      return `not taken: ${stage.gate ?? 'a gate'} chose ${stage.chosen ?? 'otherwise'}`;
    case 'blocked':
      return `blocked by ${stage.by ?? 'a failure'}`;
    case 'failed':
    case 'timed-out':
      return `${stage.state}${stage.failure === undefined ? '' : `: ${failureWords(stage.failure).message}`}`;
    case 'pending':
      return 'not started';
    case 'running':
    case 'cancelled':
      return stage.state;
  }
}

/** A single change is told here, several are listed below. */
function becauseWords(cause: RunCause): string {
  if (cause.because !== 'changed' || cause.changes.length < 2) return causeWords(cause);
  return `${count(cause.changes.length, 'part')} of its key changed`;
}

function details(stage: StageReport): readonly string[] {
  const lines: string[] = [];
  if (stage.cause?.because === 'changed' && stage.cause.changes.length > 1)
    lines.push(...stage.cause.changes.map((change) => `    ${changeWords(change)}`));
  if (stage.verdict !== undefined && stage.state !== 'not-taken') {
    lines.push(
      `    chose ${chosenWords(stage.verdict)}`,
      ...evidenceOf(stage.verdict).map((line) => `    ${evidenceWords(line)}`),
    );
  }
  if (stage.key !== undefined) lines.push(`    key ${shortDigest(stage.key)}`);
  for (const [port, { digest, type }] of Object.entries(stage.outputs))
    lines.push(`    ${port}: ${type} ${shortDigest(digest)}`);
  for (const proof of stage.facts.proofs)
    lines.push(`    ${proof.name} proof ${proof.held ? 'held' : 'broken'}: ${proof.text}`);
  return lines;
}
