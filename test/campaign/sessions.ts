// One life of an engine: the command is started, perhaps killed, and how it ended is told.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { RunEvent } from '../../src/events/run-events.ts';
import type { JsonObject } from '../../src/support/json.ts';
import type { Random } from '../../src/support/random.ts';
import { eventsIn, type Ended, type Installation } from '../e2e/installation.ts';
import { WORKFLOW } from './mixed-project.ts';
import { shoot, type Hit, type Shot } from './shots.ts';

/** A command of these projects takes seconds. */
const LONGEST_MS = 240_000;

const PRELOAD = pathToFileURL(join(import.meta.dirname, 'preload.mjs')).href;

export interface Session extends Ended {
  readonly command: 'run' | 'resume';
  readonly shot: Shot | undefined;
  readonly hit: Hit | undefined;
  /** It did not end by itself in any time that its work could take. */
  readonly hung: boolean;
  readonly events: readonly RunEvent[];
}

export interface SessionOptions {
  readonly command: 'run' | 'resume';
  readonly shot?: Shot;
  /** More for preload.mjs: clock, fullAt, count. */
  readonly preload?: JsonObject;
}

export async function runSession(
  installation: Installation,
  root: string,
  { command, shot, preload = {} }: SessionOptions,
  random: Random,
): Promise<Session> {
  // Several engines may be at one project.
  const note = join(root, `note-${random.uint32()}`);
  rmSync(note, { force: true });
  const aimed = shot?.at === 'write' ? { role: shot.role, crashAt: shot.write, torn: shot.torn, note } : {};
  const args = command === 'run' ? ['run', join(root, WORKFLOW)] : ['resume'];
  const { process: engine, ended } = installation.start([...args, '--root', root, '--log-format', 'jsonl'], {
    NODE_OPTIONS: `--import ${PRELOAD}`,
    HEADGATE_CAMPAIGN: JSON.stringify({ ...aimed, ...preload }),
  });
  let text = '';
  let hit: Hit | undefined;
  let over = false;
  const fire = (): void => {
    if (hit !== undefined || over || engine.pid === undefined || shot === undefined || shot.at === 'write') return;
    hit = shoot(root, engine.pid, shot.target, eventsIn(text), random);
  };
  if (shot?.at === 'time') void wait(shot.delayMs).then(fire);
  engine.stdout?.on('data', (part: string) => {
    text += part;
    if (shot?.at !== 'event' || hit !== undefined) return;
    if (text.split('\n').length > shot.event) void wait(shot.delayMs).then(fire);
  });
  let hung = false;
  const limit = setTimeout(() => {
    hung = true;
    engine.kill('SIGKILL');
  }, LONGEST_MS);
  const end = await ended;
  clearTimeout(limit);
  over = true;
  if (shot?.at === 'write' && existsSync(note)) {
    const target = shot.role === 'engine' ? 'engine' : 'job group';
    hit = { target, phase: `writing ${readFileSync(note, 'utf8').split(' ').at(-1) ?? ''}` };
  }
  return { ...end, command, shot, hit, hung, events: eventsIn(text) };
}
