// What the journals say about attempts: success is never repeated, and one kill costs a job at most the attempt that it hit.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunEvent } from '../../src/events/run-events.ts';
import { storeLayout } from '../../src/store/layout.ts';
import { FLAKY } from './mixed-project.ts';
import { journalsOf } from './end-state.ts';

export interface AttemptsOfStage {
  readonly started: number;
  readonly succeeded: number;
  readonly continued: number;
}

/** Faults in how often stages ran; `shots` is how many kills there were in all. */
export async function attemptFaults(root: string, shots: number): Promise<readonly string[]> {
  const sessions = (await journalsOf(root)).flatMap(sessionsIn).sort((a, b) => timeOf(a) - timeOf(b));
  const faults: string[] = [];
  const succeeded = new Map<string, number>();
  const lost = new Map<string, number>();
  for (const session of sessions) {
    const lostHere = new Map<string, number>();
    for (const event of session) {
      if (event.type === 'stage-started') lostHere.set(event.stage, (lostHere.get(event.stage) ?? 0) + 1);
      if (event.type !== 'stage-succeeded') continue;
      lostHere.set(event.stage, (lostHere.get(event.stage) ?? 0) - 1);
      succeeded.set(event.stage, (succeeded.get(event.stage) ?? 0) + 1);
    }
    for (const [stage, count] of lostHere) {
      lost.set(stage, (lost.get(stage) ?? 0) + count);
      // One kill a session; what fails on purpose may have failed before it, and again before its success.
      if (count > (stage === FLAKY ? 3 : 1)) faults.push(`${stage} lost ${count} attempts in one session`);
    }
    faults.push(...restartsFromZero(root, session));
  }
  for (const [stage, count] of succeeded) if (count > 1) faults.push(`${stage} succeeded ${count} times`);
  for (const [stage, count] of lost)
    if (stage !== FLAKY && count > shots) faults.push(`${stage} lost ${count} attempts to ${shots} kills`);
  return faults;
}

export async function attemptTotals(root: string): Promise<AttemptsOfStage> {
  const events = (await journalsOf(root)).flat();
  const starts = events.filter((event) => event.type === 'stage-started');
  return {
    started: starts.length,
    succeeded: events.filter(({ type }) => type === 'stage-succeeded').length,
    continued: starts.filter(({ resumed }) => resumed).length,
  };
}

/** A training that had saved a state goes on from it, whoever was killed. */
function restartsFromZero(root: string, session: readonly RunEvent[]): readonly string[] {
  return session.flatMap((event) => {
    if (event.type !== 'stage-started' || event.resumed || event.attempt < 2) return [];
    const home = join(storeLayout(root).runs, event.run, 'jobs', event.stage);
    const before = join(home, String(event.attempt - 1), 'events.jsonl');
    const saved = existsSync(before) && readFileSync(before, 'utf8').includes('"resume-state"');
    return saved ? [`${event.stage} attempt ${event.attempt} started from zero although a state was saved`] : [];
  });
}

/** A journal holds one session for its start and one for each resumption. */
function sessionsIn(events: readonly RunEvent[]): readonly (readonly RunEvent[])[] {
  const sessions: RunEvent[][] = [];
  for (const event of events) {
    if (event.type === 'run-started' || event.type === 'run-resumed') sessions.push([]);
    sessions.at(-1)?.push(event);
  }
  return sessions;
}

function timeOf(session: readonly RunEvent[]): number {
  return Date.parse(session[0]?.time ?? '');
}
