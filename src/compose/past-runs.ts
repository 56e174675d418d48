// Runs of the past, by their journals: the newest one, one by (the beginning of) its id, the one to resume.
import { existsSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import type { RunEvent } from '../events/run-events.ts';
import type { RunId } from '../events/ids.ts';
import { readJournal, type JournalContent } from '../store/journal.ts';
import type { StoreLayout } from '../store/layout.ts';
import { listRuns, runFolder } from '../store/runs.ts';
import { err, ok, type Result } from '../support/result.ts';
import { untoldWords, type UntoldRun } from './damage-words.ts';
import type { Mistake } from './mistake.ts';

export interface PastRun {
  readonly run: RunId;
  readonly folder: string;
  readonly journal: JournalContent;
  readonly started: Extract<RunEvent, { type: 'run-started' }>;
  /** Newer runs that were asked for as well, but cannot be told. */
  readonly untold: readonly UntoldRun[];
}

/** The newest run, or the one named by its id, by how that begins or ends, or by its age: `latest`, `@1` the newest, `@2` … */
export async function findRun(layout: StoreLayout, name?: string): Promise<Result<PastRun, Mistake>> {
  const runs = await listRuns(layout);
  if (runs.length === 0) return err({ message: 'no run yet', help: 'headgate run FILE makes one' });
  const fitting = name === undefined ? runs : runsNamed(runs, name);
  if (name !== undefined && fitting.length !== 1) {
    const what = fitting.length === 0 ? `no run "${name}"` : `${fitting.length} runs begin or end with "${name}"`;
    return err({ message: what, help: `runs, newest first (@1, @2, …): ${runs.slice(0, 8).join(', ')}` });
  }
  const untold: UntoldRun[] = [];
  for (const run of fitting) {
    const past = await readRun(layout, run);
    if (isTold(past)) return ok({ ...past, untold });
    untold.push(past);
  }
  const [only] = untold;
  if (name !== undefined && only !== undefined) return err(untoldMistake(only));
  return err({
    message: `no run has a readable journal: ${untold.map(({ run }) => run).join(', ')}`,
    help: 'results are cached as ever: headgate run FILE runs only what is missing',
  });
}

/** A run that cannot be told, as an answer to whoever asked for it. */
export function untoldMistake(untold: UntoldRun): Mistake {
  return { message: untoldWords(untold), help: `headgate run FILE runs only what is missing, under a new id` };
}

function runsNamed(runs: readonly RunId[], name: string): readonly RunId[] {
  const age = name === 'latest' ? '1' : /^@(\d+)$/.exec(name)?.[1];
  if (age !== undefined) return runs.slice(Number(age) - 1, Number(age)).slice(0, 1);
  return runs.filter((run) => run.startsWith(name) || run.endsWith(name));
}

/**
 * The newest run that has not ended well, perhaps still runs, and that no newer run of its workflow has replaced. A damaged
 * run that is newer than any such one stands in the way: it may be the one that is meant.
 */
export async function findUnfinished(layout: StoreLayout, file: string | undefined): Promise<Result<PastRun, Mistake>> {
  const seen = new Set<string>();
  const untold: UntoldRun[] = [];
  for (const run of await listRuns(layout)) {
    const past = await readRun(layout, run);
    if (!isTold(past)) {
      if (past.damage !== undefined) return err(cannotResume(past, file));
      untold.push(past);
      continue;
    }
    const { workflow } = past.started;
    if (seen.has(workflow) || (file !== undefined && workflow !== relative(layout.root, resolve(file)))) continue;
    seen.add(workflow);
    if (isUnfinished(past.journal.events)) return ok({ ...past, untold });
    if (file !== undefined) break; // older runs of it have been replaced
  }
  return err({
    message: 'there is no unfinished run',
    help: 'headgate run FILE starts one; what is cached is not run again',
  });
}

function cannotResume(untold: UntoldRun, file: string | undefined): Mistake {
  return {
    message: `${untoldWords(untold)}, so with which options it was started, and whether it ended, is not known`,
    help: `start it anew with its options: headgate run ${file ?? 'FILE'}; what it finished is cached and does not run again`,
  };
}

/**
 * The path of the workflow that a run ran. A project that was moved or copied since is found by the workflow's place below
 * its root; undefined when the journal names no workflow.
 */
export function workflowFileOf({ started }: PastRun, layout: StoreLayout): string | undefined {
  const written = started.options['file'];
  if (typeof written !== 'string') return undefined;
  const here = resolve(layout.root, started.workflow);
  return !existsSync(written) && existsSync(here) ? here : written;
}

/** Every run, newest first, those that cannot be told among them. */
export async function readRuns(layout: StoreLayout, most?: number): Promise<readonly (PastRun | UntoldRun)[]> {
  const runs: (PastRun | UntoldRun)[] = [];
  for (const run of (await listRuns(layout)).slice(0, most)) runs.push(await readRun(layout, run));
  return runs;
}

export function isTold(run: PastRun | UntoldRun): run is PastRun {
  return 'started' in run;
}

async function readRun(layout: StoreLayout, run: RunId): Promise<PastRun | UntoldRun> {
  const folder = runFolder(layout, run);
  const journal = await readJournal(folder);
  const started = journal.events[0];
  if (started?.type === 'run-started') return { run, folder, journal, started, untold: [] };
  return { run, folder, damage: journal.damage };
}

function isUnfinished(events: readonly RunEvent[]): boolean {
  if (events.some(({ type }) => type === 'run-superseded')) return false; // the run that took over is the one to resume
  const last = events.at(-1);
  return last?.type !== 'run-finished' || last.outcome === 'failed' || last.outcome === 'interrupted';
}
