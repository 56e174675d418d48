// Stops an engine, and the process groups of its jobs, once a stage's job has come to a given point.
import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync, watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { join } from 'node:path';
import type { RunEvent } from '../../src/events/run-events.ts';
import { isProcessAlive } from '../../src/process/process-identity.ts';
import type { ProcessIdentity } from '../../src/process/process-identity.ts';
import { signalGroup } from '../../src/process/start-process.ts';
import { fileNameOf } from '../../src/support/file-name.ts';
import { eventsIn } from './installation.ts';
import type { Ended, Installation } from './installation.ts';

export interface Point {
  readonly stage: string;
  /** Resume states that its job has written before. */
  readonly resumeStates: number;
  /** SIGKILL of the engine and its jobs, of the engine alone (its jobs lose their engine), or Ctrl-C. */
  readonly how: 'all-killed' | 'engine-killed' | 'interrupted';
}

/** Starts a command and stops it at the point, once. @throws when it ends before. */
export async function runUntilStopped(
  installation: Installation,
  args: readonly string[],
  root: string,
  point: Point,
): Promise<readonly RunEvent[]> {
  const { process: engine, ended } = installation.start([...args, '--root', root, '--log-format', 'jsonl']);
  let watcher: FSWatcher | undefined;
  // Once: a second Ctrl-C would mean more than the first.
  let stopping: Promise<void> | undefined;
  let text = '';
  engine.stdout?.on('data', (part: string) => {
    text += part;
    const started = watcher === undefined ? startOf(point.stage, eventsIn(text)) : undefined;
    if (started?.type !== 'stage-started') return;
    const folder = join(root, '.headgate/runs', started.run, 'jobs', fileNameOf(point.stage), String(started.attempt));
    const look = (): void => {
      if (stopping !== undefined || engine.exitCode !== null || resumeStatesIn(folder) < point.resumeStates) return;
      stopping = stop(root, point.how, engine);
    };
    watcher = watch(folder, look);
    look();
  });
  const end = await ended;
  await stopping;
  watcher?.close();
  if (end.exitCode !== (point.how === 'interrupted' ? 130 : null))
    throw new Error(`the engine ended by itself: ${tail(end)}`);
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

async function stop(root: string, how: Point['how'], engine: ChildProcess): Promise<void> {
  if (how === 'interrupted') return void engine.kill('SIGINT');
  const claims = join(root, '.headgate/claims');
  const jobs = readdirSync(claims)
    .filter((name) => name.endsWith('.json'))
    .map((name) => (JSON.parse(readFileSync(join(claims, name), 'utf8')) as { readonly job?: ProcessIdentity }).job);
  engine.kill('SIGKILL');
  if (how === 'engine-killed') return;
  for (const job of jobs) {
    // A claim may be older than its number: another process can have it by now.
    if (job !== undefined && (await isProcessAlive(job))) signalGroup(job.pid, 'SIGKILL');
  }
}

function tail({ exitCode, stdout, stderr }: Ended): string {
  return `exit code ${String(exitCode)}\n${stdout.slice(-2000)}\n${stderr}`;
}
