// What is killed and when: drawn from a seed, carried out on a running engine. At an exact write (see preload.mjs), after so
// many events, or after a time.
import type { RunEvent } from '../../src/events/run-events.ts';
import type { Random } from '../../src/support/random.ts';
import { kill, processesOf } from './processes.ts';

export type Target = 'engine' | 'job group' | 'grandchild' | 'engine and jobs';

export type Shot =
  | { readonly at: 'write'; readonly role: 'engine' | 'worker'; readonly write: number; readonly torn: boolean }
  | { readonly at: 'event'; readonly target: Target; readonly event: number; readonly delayMs: number }
  | { readonly at: 'time'; readonly target: Target; readonly delayMs: number };

/** How much an undisturbed run writes, says and takes. */
export interface Extent {
  readonly writes: number;
  readonly events: number;
  readonly milliseconds: number;
}

const TARGETS: readonly Target[] = [
  'engine',
  'engine',
  'engine and jobs',
  'engine and jobs',
  'job group',
  'grandchild',
];

/** Early points are drawn more often than late ones: a run that is continued has less and less to do. */
export function drawShot(random: Random, extent: Extent, targets: readonly Target[] = TARGETS): Shot {
  const part = (): number => random.uniform() ** 3;
  const target = targets[random.below(targets.length)] ?? 'engine';
  const way = random.below(10);
  if (way < 4) {
    return { at: 'write', role: 'engine', write: 1 + Math.floor(part() * extent.writes), torn: random.below(2) === 0 };
  }
  // A worker writes little: its events, its resume states, its outputs, its result.
  if (way < 5 && targets.includes('job group'))
    return { at: 'write', role: 'worker', write: 1 + random.below(60), torn: random.below(2) === 0 };
  if (way < 8) return { at: 'event', target, event: 1 + Math.floor(part() * extent.events), delayMs: random.below(40) };
  return { at: 'time', target, delayMs: 100 + part() * extent.milliseconds };
}

export interface Hit {
  readonly target: Target;
  readonly phase: string;
}

/** Kills now. What cannot be hit (no job runs) is replaced by the engine, so that every shot hits something. */
export function shoot(root: string, engine: number, target: Target, events: readonly RunEvent[], random: Random): Hit {
  const others = processesOf(root).filter(({ pid }) => pid !== engine);
  const jobs = others.filter(({ parent, group, pid }) => parent === engine && group === pid);
  const grandchildren = others.filter(({ parent, pid, group }) => parent !== engine && group !== pid);
  const phase = phaseOf(events, jobs.length > 0);
  if (target === 'job group' && jobs.length > 0) {
    const job = jobs[random.below(jobs.length)];
    if (job !== undefined && kill(-job.group)) return { target, phase };
  }
  if (target === 'grandchild' && grandchildren.length > 0) {
    const child = grandchildren[random.below(grandchildren.length)];
    if (child !== undefined && kill(child.pid)) return { target, phase };
  }
  kill(engine);
  if (target === 'engine and jobs') for (const { group } of jobs) kill(-group);
  return { target: target === 'engine and jobs' ? target : 'engine', phase };
}

function phaseOf(events: readonly RunEvent[], jobsRun: boolean): string {
  const last = events.at(-1);
  if (last === undefined) return 'start';
  if (last.type === 'run-finished') return 'end';
  return jobsRun ? 'jobs running' : 'between jobs';
}
