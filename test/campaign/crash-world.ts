// One project whose runs are killed again and again until a command ends by itself; then everything is as if nothing had
// happened. Nobody ever does anything but give the same command again.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from '../../src/support/random.ts';
import type { Installation } from '../e2e/installation.ts';
import { attemptFaults, attemptTotals, type AttemptsOfStage } from './attempts.ts';
import { disturbTimes, drawClock, tearFiles } from './damage.ts';
import { faultsOf, type EndState } from './end-state.ts';
import { makeMixedProject } from './mixed-project.ts';
import { kill, processesOf } from './processes.ts';
import { runSession, type Session, type SessionOptions } from './sessions.ts';
import { drawShot, type Extent, type Hit } from './shots.ts';

/** What happens besides the kills. */
export type Trouble = 'nothing else' | 'torn files' | 'clock jumps' | 'full disk';

const TROUBLES: readonly Trouble[] = [
  'nothing else',
  'nothing else',
  'nothing else',
  'torn files',
  'clock jumps',
  'full disk',
];

export interface WorldOutcome {
  readonly world: number;
  readonly trouble: Trouble;
  readonly hits: readonly Hit[];
  readonly sessions: number;
  readonly attempts: AttemptsOfStage;
  readonly faults: readonly string[];
  /** What was done and how it ended, for whoever looks for the cause of a fault. */
  readonly history: readonly string[];
}

/** So that a project ends in any case; afterwards nothing is killed any more. */
const MOST_KILLS = 12;
const MOST_SESSIONS = 40;

export async function crashWorld(
  installation: Installation,
  { seed, world, extent, expected }: { seed: number; world: number; extent: Extent; expected: EndState },
): Promise<WorldOutcome> {
  const random = Random.derive(seed, world);
  const trouble = TROUBLES[random.below(TROUBLES.length)] ?? 'nothing else';
  const root = await makeMixedProject();
  const home = join(root, '.headgate');
  const [hits, history, faults]: [Hit[], string[], string[]] = [[], [], []];
  const resumes = random.below(2) === 0;
  let sessions = 0;
  let last: string | undefined;
  let command: SessionOptions['command'] = 'run';
  for (let ended = false; !ended;) {
    if (++sessions > MOST_SESSIONS) {
      faults.push(`it has not ended after ${MOST_SESSIONS} commands`);
      break;
    }
    const session = await nextSession();
    history.push(historyLine(session));
    if (session.hit !== undefined) hits.push(session.hit);
    faults.push(...endFaults(session, trouble));
    ended = session.exitCode === 0;
    last = session.events[0]?.run;
    // A run that was killed before its first word is none that could be resumed.
    command = resumes && session.exitCode !== 2 ? 'resume' : 'run';
    if (session.exitCode === 2 && session.command !== 'resume') break;
    if (ended) break;
    if (trouble === 'torn files') {
      for (const { pid } of processesOf(root)) kill(pid); // who loses power loses all of it
      history.push(...tearFiles(home, random));
      command = 'run';
    }
    if (trouble === 'clock jumps') disturbTimes(home, random);
  }
  faults.push(...(await faultsOf(root, last, expected)));
  if (trouble === 'nothing else' || trouble === 'clock jumps') faults.push(...(await attemptFaults(root, hits.length)));
  const attempts = await attemptTotals(root);
  if (faults.length === 0) rmSync(root, { recursive: true, force: true });
  else history.push(`kept in ${root}`);
  return { world, trouble, hits, sessions, attempts, faults, history };

  function nextSession(): Promise<Session> {
    const shot = hits.length < MOST_KILLS ? drawShot(random, extent) : undefined;
    const clock = trouble === 'clock jumps' ? drawClock(random) : {};
    if (trouble === 'full disk' && hits.length < MOST_KILLS && random.below(2) === 0) {
      const fullAt = 1 + Math.floor(random.uniform() ** 2 * extent.writes);
      return runSession(installation, root, { command, preload: { role: 'engine', fullAt } }, random);
    }
    return runSession(installation, root, { command, preload: clock, ...(shot === undefined ? {} : { shot }) }, random);
  }
}

/** How a command may end: well, killed by us, or with exit code 1 because we killed its job or filled its disk. */
function endFaults(
  { exitCode, hit, hung, command, stdout, stderr, shot }: Session,
  trouble: Trouble,
): readonly string[] {
  const told = `${stderr.slice(-1500)}\n${stdout.slice(-600)}`.trim();
  if (stderr.includes('bug in headgate')) return [`it took something for a bug of its own: ${told}`];
  if (hung) return [`it did not end: ${told}`];
  if (exitCode === 0) return [];
  if (exitCode === null) return hit === undefined ? [`it ended by a signal that nobody sent: ${told}`] : [];
  if (exitCode === 2 && command === 'resume' && /no unfinished run|no run yet/.test(stderr)) return [];
  const jobKilled = hit?.target === 'job group' || hit?.target === 'grandchild';
  const disk = trouble === 'full disk' && shot === undefined;
  return exitCode === 1 && (jobKilled || disk) ? [] : [`exit code ${exitCode} for no reason of ours: ${told}`];
}

function historyLine({ command, shot, hit, exitCode, events, stderr }: Session): string {
  const end = exitCode === null ? 'killed' : `exit code ${exitCode}`;
  const aim = shot === undefined ? 'no shot' : JSON.stringify(shot);
  const at = hit === undefined ? '' : `, hit ${hit.target} at ${hit.phase}`;
  return `${command}: ${aim}${at}, ${end} after ${events.length} events ${stderr.trim().slice(0, 200)}`;
}
