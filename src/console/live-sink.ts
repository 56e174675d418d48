// Progress for a terminal: one live block with a line per running stage, above it the lines of what has ended.
// The only importer of log-update.
import { createLogUpdate } from 'log-update';
import type { JobEvent } from '../events/job-protocol.ts';
import type { Colours } from './colours.ts';
import { eventLine, progressWords } from './event-lines.ts';
import { clock, quietStages, type Sink } from './plain-sink.ts';
import { duration } from './quantities.ts';

interface Running {
  readonly since: number;
  readonly progress?: Extract<JobEvent, { type: 'progress' }>;
}

const REDRAW_MS = 250;
const BAR_CELLS = 16;

export function liveSink(stream: NodeJS.WritableStream & { readonly columns?: number }, colours: Colours): Sink {
  const block = createLogUpdate(stream);
  const running = new Map<string, Running>();
  const startedAt = Date.now();
  const counts = { ended: 0, total: 0 };
  let cached = 0;
  const quiet = quietStages();

  const draw = (): void => {
    if (running.size === 0 && counts.total === 0) return;
    const lines = [...running].map(([stage, state]) => runningLine(stage, state, colours));
    lines.push(
      colours.dim(`${clock(Date.now() - startedAt)}  ${counts.ended} of ${counts.total} stages, ${cached} cached`),
    );
    block(lines.map((line) => clipped(line, stream.columns)).join('\n'));
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
          counts.total = event.stages?.length ?? 0;
          break;
        case 'stage-started':
          if (!quiet(event)) running.set(event.stage, { since: Date.now() });
          return;
        case 'job-reported':
          if (event.event.type === 'progress') {
            const since = running.get(event.stage)?.since ?? Date.now();
            running.set(event.stage, { since, progress: event.event });
            return;
          }
          if (event.event.type === 'metrics') return;
          break;
        case 'stage-restored':
          cached++;
          counts.ended++;
          return; // a line each would bury what runs
        case 'gate-decided':
          if (event.cached) return;
          break;
        case 'stage-not-taken':
        case 'stage-blocked':
          counts.ended++;
          return;
        case 'stage-succeeded':
        case 'stage-failed':
        case 'stage-cancelled':
          counts.ended++;
          running.delete(event.stage);
          break;
        default:
          break;
      }
      const line = quiet(event) ? undefined : eventLine(event, colours);
      if (line !== undefined) say(line);
    },
    close: () => {
      clearInterval(timer);
      block.clear();
      block.done();
    },
  };
}

function runningLine(stage: string, { since, progress }: Running, { cyan, dim }: Colours): string {
  const elapsed = duration(Date.now() - since);
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
