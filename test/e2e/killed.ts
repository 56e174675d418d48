// Kills an engine, and the process groups of its jobs, once a stage's job has come to a given point.
import { readdirSync, readFileSync, watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { join } from 'node:path';
import type { RunEvent } from '../../src/events/run-events.ts';
import { eventsIn } from './installation.ts';
import type { Ended, Installation } from './installation.ts';

export interface Point {
  readonly stage: string;
  /** Resume states that its job has written before. */
  readonly resumeStates: number;
  /** Whether the jobs are killed too, or only lose their engine. */
  readonly jobsToo: boolean;
}

/** Starts a command and kills it at the point. @throws when it ends before. */
export async function runUntilKilled(
  installation: Installation,
  args: readonly string[],
  root: string,
  point: Point,
): Promise<readonly RunEvent[]> {
  const { process: engine, ended } = installation.start([...args, '--root', root, '--log-format', 'jsonl']);
  let watcher: FSWatcher | undefined;
  let text = '';
  engine.stdout?.on('data', (part: string) => {
    text += part;
    const started = watcher === undefined ? startOf(point.stage, eventsIn(text)) : undefined;
    if (started?.type !== 'stage-started') return;
    const folder = join(root, '.headgate/runs', started.run, 'jobs', point.stage, String(started.attempt));
    const look = (): void => {
      if (engine.exitCode === null && resumeStatesIn(folder) >= point.resumeStates)
        kill(root, point.jobsToo, () => engine.kill('SIGKILL'));
    };
    watcher = watch(folder, look);
    look();
  });
  const end = await ended;
  watcher?.close();
  if (end.exitCode !== null) throw new Error(`the engine ended by itself: ${tail(end)}`);
  return eventsIn(text);
}

function startOf(stage: string, events: readonly RunEvent[]): RunEvent | undefined {
  return events.find((event) => event.type === 'stage-started' && String(event.stage) === stage);
}

function resumeStatesIn(jobFolder: string): number {
  try {
    return readFileSync(join(jobFolder, 'events.jsonl'), 'utf8').split('"resume-state"').length - 1;
  } catch {
    return 0;
  }
}

function kill(root: string, jobsToo: boolean, killEngine: () => void): void {
  const claims = join(root, '.headgate/claims');
  const groups = readdirSync(claims)
    .filter((name) => name.endsWith('.json'))
    .map(
      (name) =>
        (JSON.parse(readFileSync(join(claims, name), 'utf8')) as { readonly job?: { readonly pid: number } }).job?.pid,
    );
  killEngine();
  if (!jobsToo) return;
  for (const group of groups) {
    try {
      if (group !== undefined) process.kill(-group, 'SIGKILL');
    } catch {
      // It has ended in the meantime.
    }
  }
}

function tail({ exitCode, stdout, stderr }: Ended): string {
  return `exit code ${String(exitCode)}\n${stdout.slice(-2000)}\n${stderr}`;
}
