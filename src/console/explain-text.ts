// The answer to "why?": for one stage, what its newest run did and what a run would do now, each with its reasons.
import type { PlacedRoot, SettingOrigin, SourcePlace, StageAnswer } from '../compose/explain-stage.ts';
import type { RunCause } from '../events/run-events.ts';
import type { StageForecast } from '../execute/forecast.ts';
import type { RunReport, StageReport } from '../report/run-report.ts';
import { changeWords, causeWords } from './cause-words.ts';
import type { Colours } from './colours.ts';
import { failureWords } from './failure-words.ts';
import { chosenWords, evidenceOf, evidenceWords } from './gate-words.ts';
import { decisionWords, forecastWords } from './plan-text.ts';
import { count, duration, shortDigest } from './quantities.ts';

export function explainText(
  { stage, at, past, pastRoots, now, roots }: StageAnswer,
  report: RunReport | undefined,
  colours: Colours,
): string {
  const lines = [`${colours.bold(stage)} ${colours.dim(`${at.file}:${at.line}:${at.column}`)}`];
  if (past !== undefined && report !== undefined) {
    lines.push(`  in run ${report.run}: ${pastWords(past)}`, ...rootLines(stage, pastRoots, colours), ...details(past));
  }
  if (now !== undefined) {
    lines.push(`  a run now: ${forecastWords(now, colours)}`, ...changeLines(now), ...rootLines(stage, roots, colours));
    lines.push(...decisionWords(now).map((line) => `    ${line}`));
  }
  return `${lines.join('\n')}\n`;
}

function changeLines(now: StageForecast): readonly string[] {
  const changes = now.will === 'run' && now.cause.because === 'changed' ? now.cause.changes : [];
  return changes.length > 1 ? changes.map((change) => `    ${changeWords(change)}`) : [];
}

/** What somebody changed, and the way from there to this stage. */
function rootLines(stage: string, roots: readonly PlacedRoot[], { dim, cyan }: Colours): readonly string[] {
  return roots.flatMap((root) => {
    const places = [
      ...Object.entries(root.origins).map(([pointer, origin]) => originWords(pointer, origin)),
      ...Object.values(root.files).map((path) => `file ${path}`),
    ].map((words) => `      ${dim(words)}`);
    if (root.stage === stage) return places;
    const way = root.path.slice(1).reverse().join(' → ');
    return [`    ${cyan('because')} ${way}: ${causeWords(root.cause)}`, ...places];
  });
}

function originWords(pointer: string, { at, parameter }: SettingOrigin): string {
  const written = `${pointer.slice('/settings/'.length)} is written at ${placeWords(at)}`;
  if (parameter === undefined) return written;
  const by =
    parameter.set !== undefined
      ? `set by --set ${parameter.set}`
      : parameter.at === undefined
        ? ''
        : `from ${placeWords(parameter.at)}`;
  return `${written}: parameter ${parameter.path}, ${by}`;
}

function placeWords({ file, line, column }: SourcePlace): string {
  return `${file}:${line}:${column}`;
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
      return `${stage.state}${stage.failure === undefined ? '' : `: ${failureWords(stage.failure).message}`}${startWords(stage)}`;
    case 'pending':
      return 'not started';
    case 'running':
    case 'cancelled':
      return `${stage.state}${startWords(stage)}`;
  }
}

/** Words for a gate whose case goes on below what was asked. */
function shortWords({ short }: StageReport): string {
  return short === undefined ? '' : `: what goes on is short of what was asked (${short})`;
}

/** Of a stage that came to no good end. */
function startWords({ cause }: StageReport): string {
  return cause === undefined ? '' : `; it ran because ${becauseWords(cause)}`;
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
      `    chose ${chosenWords(stage.verdict)}${shortWords(stage)}`,
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
