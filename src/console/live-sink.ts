// Progress for a terminal: one live block with a line per running stage, above it the lines of what has ended.
// The only importer of log-update.
import { createLogUpdate } from 'log-update';
import type { JobEvent } from '../events/job-protocol.ts';
import { Stopwatch } from '../support/clock.ts';
import { printable } from '../support/printable.ts';
import type { Colours } from './colours.ts';
import { eventLine, progressWords } from './event-lines.ts';
import { rawStream } from './harmless-stream.ts';
import { clock, quietStages, type Sink } from './plain-sink.ts';
import { duration } from './quantities.ts';

interface Running {
  readonly stage: string;
  readonly taken: Stopwatch;
  readonly progress?: Extract<JobEvent, { type: 'progress' }>;
}

const REDRAW_MS = 250;
const BAR_CELLS = 16;

export function liveSink(stream: NodeJS.WritableStream & { readonly columns?: number }, colours: Colours): Sink {
  const block = createLogUpdate(rawStream(stream));
  /** By run and stage: a stale stage may still be stopping while its successor has started. */
  const running = new Map<string, Running>();
  const nameOf = ({ run, stage }: { readonly run: string; readonly stage: string }): string => `${run} ${stage}`;
  let taken = new Stopwatch();
  let counts = { ended: 0, total: 0, cached: 0 };
  let current: string | undefined;
  const quiet = quietStages();

  const draw = (): void => {
    if (running.size === 0 && counts.total === 0) return;
    const lines = [...running.values()].map((state) => runningLine(state, colours));
    lines.push(
      colours.dim(`${clock(taken.milliseconds)}  ${counts.ended} of ${counts.total} stages, ${counts.cached} cached`),
    );
    block(lines.map((line) => clipped(printable(line), stream.columns)).join('\n'));
  };
  const say = (line: string): void => {
    block.clear();
    stream.write(`${line}\n`);
    draw();
  };
  const timer = setInterval(draw, REDRAW_MS);

  return {
    onEvent: (event) => {
      switch (event.type) {
        case 'run-started':
        case 'run-resumed':
          // Stages of a run that this one supersedes may go on: they stay in the block, but are counted no more.
          current = event.run;
          taken = new Stopwatch();
          counts = { ended: 0, total: event.stages?.length ?? 0, cached: 0 };
          break;
        case 'run-finished':
          if (event.run !== current) return;
          counts = { ended: 0, total: 0, cached: 0 };
          block.clear();
          return;
        case 'stage-started':
          if (!quiet(event)) running.set(nameOf(event), { stage: event.stage, taken: new Stopwatch() });
          return;
        case 'job-reported':
          if (event.event.type === 'progress') {
            const since = running.get(nameOf(event))?.taken ?? new Stopwatch();
            running.set(nameOf(event), { stage: event.stage, taken: since, progress: event.event });
            return;
          }
          if (event.event.type === 'metrics') return;
          break;
        case 'stage-restored':
          counts.cached++;
          counts.ended++;
          return; // a line each would bury what runs
        case 'gate-decided':
          if (event.cached) return;
          break;
        case 'stage-not-taken':
        case 'stage-blocked':
          if (event.run === current) counts.ended++;
          return;
        case 'stage-succeeded':
        case 'stage-failed':
        case 'stage-cancelled':
          if (event.run === current) counts.ended++;
          running.delete(nameOf(event));
          break;
        default:
          break;
      }
      const line = quiet(event) ? undefined : eventLine(event, colours);
      if (line !== undefined) say(line);
    },
    say,
    close: () => {
      clearInterval(timer);
      block.clear();
      block.done();
    },
  };
}

function runningLine({ stage, taken, progress }: Running, { cyan, dim }: Colours): string {
  const elapsed = duration(taken.milliseconds);
  if (progress === undefined) return `${cyan(stage)} ${dim(elapsed)}`;
  const { done, total, step, steps } = progress;
  const within = step !== undefined && steps !== undefined && steps > 0 ? step / steps : 0;
  const share = total > 0 ? Math.min(1, (done + (done < total ? within : 0)) / total) : 0;
  const full = Math.round(share * BAR_CELLS);
  return `${cyan(stage)} ${'━'.repeat(full)}${dim('─'.repeat(BAR_CELLS - full))} ${progressWords(progress)} ${dim(elapsed)}`;
}

/** Cut to the terminal's width, colour codes not counted, so that the block never wraps. */
function clipped(line: string, columns: number | undefined): string {
  if (columns === undefined) return line;
  let seen = 0;
  let cut = '';
  for (const part of line.split(/(\u001b\[[0-9;]*m)/)) {
    if (part.startsWith('\u001b')) cut += part;
    else {
      const rest = part.slice(0, Math.max(0, columns - 1 - seen));
      cut += rest;
      seen += rest.length;
    }
  }
  return cut;
}
