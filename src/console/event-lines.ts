// One line of plain text per event worth one: for logs and pipes. Progress lines are thinned out by `plain-sink.ts`.
import type { RunEvent } from '../events/run-events.ts';
import type { JobEvent } from '../events/job-protocol.ts';
import { unreachable } from '../support/result.ts';
import { causeWords } from './cause-words.ts';
import type { Colours } from './colours.ts';
import { attemptsWords, failureWords } from './failure-words.ts';
import { chosenWords, decidingLines, evidenceWords, lapsedWords } from './gate-words.ts';
import { count, duration, metricValue, shortDigest, shortNumber } from './quantities.ts';

/** What no text holds; escapes are colours. */
const NOT_TEXT = /[\ufffd\u0000-\u0008\u000e-\u001a\u001c-\u001f]/g;

/** Undefined for events that need no line. */
export function eventLine(event: RunEvent, colours: Colours): string | undefined {
  const { red, green, yellow, dim, bold } = colours;
  switch (event.type) {
    case 'run-started':
      return `${bold(event.name)} ${dim(`run ${event.run}, ${count(event.stages?.length ?? 0, 'stage')}`)}`;
    case 'run-resumed':
      return `${bold('resumed')} ${dim(`run ${event.run}`)}`;
    case 'stage-started':
      return `${event.stage} ${event.resumed ? 'continues from its resume state' : 'started'}${event.attempt > 1 && !event.resumed ? ` (attempt ${event.attempt})` : ''}: ${dim(causeWords(event.cause))}`;
    case 'job-reported':
      return jobLine(event.stage, event.event, colours);
    case 'stage-succeeded':
      return `${event.stage} ${green('done')} in ${duration(event.milliseconds)}${metricsWords(event)}`;
    case 'stage-restored':
      return `${event.stage} ${dim('cached')}${metricsWords(event)}`;
    case 'gate-decided': {
      const why = decidingLines(event.verdict).map(evidenceWords).join('; ');
      return `${event.stage} ${bold(`→ ${chosenWords(event.verdict)}`)}${why === '' ? '' : `: ${why}`}`;
    }
    case 'override-lapsed':
      return `${event.stage}: ${yellow(lapsedWords(event.override))}`;
    case 'stage-failed': {
      const { message, help, output } = failureWords(event.failure);
      const tail = output === undefined || output === '' ? '' : `\n${printed(output)}`;
      const lines = [attemptsWords(event), help === undefined ? undefined : `help: ${help}`];
      const below = lines.map((line) => (line === undefined ? '' : `\n  ${line}`)).join('');
      return `${event.stage} ${red('failed')}: ${message}${tail}${below}`;
    }
    case 'stage-waiting': {
      const { run, pid, host } = event.owner;
      return `${yellow('waits')} ${event.stage} ${dim(`run ${run} (process ${pid} on ${host}) works on the same; its outputs will be taken`)}`;
    }
    case 'stage-retried':
      return `${event.stage} ${yellow('failed and is tried again')}${waitWords(event.delayMs)} (attempt ${event.attempt}): ${failureWords(event.failure).message}`;
    case 'stage-cancelled':
      return `${event.stage} ${yellow('cancelled')}${event.checkpointed ? ', its resume state is kept' : ''}`;
    case 'stage-not-taken':
      return `${event.stage} ${dim(`not taken: ${event.gate} chose ${event.chosen}`)}`;
    case 'stage-blocked':
      return `${event.stage} ${yellow('blocked')} by ${event.by}`;
    case 'stage-reopened':
      return `${event.stage} ${yellow('is looked at again')}: its output "${event.port}" (${shortDigest(event.digest)}) is missing or damaged`;
    case 'object-quarantined':
      return `${yellow('damaged object')} ${shortDigest(event.digest)} moved to ${event.movedTo}`;
    case 'journal-repaired':
      return event.lostEvents === undefined
        ? `${yellow('journal')} lost its torn last line (${count(event.droppedBytes, 'byte')})`
        : `${yellow('journal')} was damaged and has lost ${count(event.lostEvents, 'event')}; as it was found: ${event.keptAt ?? ''}`;
    case 'run-interrupted':
      return `${yellow(event.signal)}: asking running jobs for a resume state; again to kill them`;
    case 'run-stopped':
    case 'run-superseded':
    case 'run-finished':
      return undefined; // said by the summary
    default:
      return unreachable(event);
  }
}

function waitWords(delayMs: number | undefined): string {
  return delayMs === undefined || delayMs === 0 ? '' : ` in ${duration(delayMs)}`;
}

function jobLine(stage: string, event: JobEvent, { yellow, red, dim }: Colours): string | undefined {
  switch (event.type) {
    case 'progress':
      return `${stage} ${progressWords(event)}`;
    case 'metrics': {
      const values = Object.entries(event.values).map(([name, value]) => `${name} ${shortNumber(value)}`);
      return `${stage}${event.at === stage ? '' : ` ${event.at}`}: ${values.join(', ')}`;
    }
    case 'note':
      return `${stage} ${event.level === 'warning' ? yellow('warning') : dim('note')}: ${event.text}`;
    case 'proof':
      return `${stage} ${event.proof.name} proof ${event.proof.held ? 'held' : red('broken')}: ${event.proof.text}`;
    case 'resume-state':
      return undefined;
  }
}

/** `epoch 3/10, step 40/187, loss 0.412, 310/s, 1 min 20 s left`. */
export function progressWords(progress: Extract<JobEvent, { type: 'progress' }>): string {
  const { unit, done, total, step, steps, loss, rate, secondsLeft } = progress;
  const parts = [`${unit} ${done}/${total}`];
  if (step !== undefined && steps !== undefined) parts.push(`step ${step}/${steps}`);
  if (loss !== undefined) parts.push(`loss ${shortNumber(loss)}`);
  if (rate !== undefined) parts.push(`${shortNumber(Math.round(rate))}/s`);
  if (secondsLeft !== undefined) parts.push(`${duration(secondsLeft * 1000)} left`);
  return parts.join(', ');
}

function metricsWords({ facts }: Extract<RunEvent, { type: 'stage-succeeded' | 'stage-restored' }>): string {
  const words = (facts?.metrics ?? []).map((fact) => {
    const value = fact.values[fact.primary];
    return value === undefined ? '' : `${fact.task} ${fact.primary} ${metricValue(value, fact.units[fact.primary])}`;
  });
  return words.length === 0 ? '' : `, ${words.join(', ')}`;
}

/** What a program printed last. Bytes that are no text would fill the screen with codes. */
function printed(output: string): string {
  const unreadable = output.match(NOT_TEXT)?.length ?? 0;
  const text = unreadable > output.length / 20 ? '(what it printed is no text)' : output;
  return text.replaceAll(/^/gm, '    ');
}
