// One engine works in a container, others meet it on its store from containers of their own: they collect, verify, run, resume.
// Sometimes the first is killed. Together they do the work of one, and each of them ends well.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Random } from '../../src/support/random.ts';
import type { Installation } from '../e2e/installation.ts';
import { endStateOf, faultsOf, journalsOf, type EndState } from './end-state.ts';
import { BEAT_SECONDS, startContained, type Contained } from './two-places.ts';

export const MEETINGS = ['gc', 'verify', 'run', 'resume', 'kill, run', 'kill, resume'] as const;
export type Meeting = (typeof MEETINGS)[number];

/** Longer than six beats. */
const SILENCE_MS = 8 * 1000 * BEAT_SECONDS;

export interface MetOutcome {
  readonly meeting: Meeting;
  readonly sameName: boolean;
  /** Commands of the others. */
  readonly commands: number;
  readonly kills: number;
  readonly faults: readonly string[];
}

/** Reads its input folder again and again: whoever takes it away is found in the output. */
const reader = (from: string, times: number) => ({
  kind: 'command',
  inputs: { d: from },
  with: {
    argv: [
      'sh',
      '-euc',
      `for k in $(seq ${times}); do sleep 0.25; cat "$0"/* | cksum >> "$1"; done`,
      '{input:d}',
      '{output:o}',
    ],
    outputs: { o: { type: 'file', path: 'o.txt' } },
  },
});

const workflow = {
  name: 'met',
  stages: {
    d: {
      kind: 'command',
      with: {
        argv: ['sh', '-euc', 'mkdir "$0"; for i in $(seq 30); do echo $i > "$0/f$i"; done; sleep 0.2', '{output:d}'],
        outputs: { d: { type: 'dataset', path: 'd' } },
      },
    },
    u: reader('d.d', 6),
    v: reader('d.d', 4),
    w: {
      kind: 'command',
      inputs: { u: 'u.o', v: 'v.o' },
      with: {
        argv: [
          'sh',
          '-euc',
          'sleep 0.3; mkdir "$2"; cat "$0" "$1" > "$2/both"; cp "$0" "$2"',
          '{input:u}',
          '{input:v}',
          '{output:w}',
        ],
        outputs: { w: { type: 'dataset', path: 'w' } },
      },
    },
    x: reader('w.w', 3),
  },
};

export function makeMetProject(): string {
  const root = mkdtempSync(join(tmpdir(), 'headgate-met-'));
  writeFileSync(join(root, 'met.json'), JSON.stringify(workflow));
  return root;
}

export async function metUndisturbed(installation: Installation): Promise<EndState> {
  const root = makeMetProject();
  const { events, exitCode, stderr } = await startContained(installation, 'alone', commandOf('run', root)).ended;
  if (exitCode !== 0) throw new Error(`the undisturbed run ended with ${exitCode}: ${stderr}`);
  const state = await endStateOf(root, events[0]?.run);
  rmSync(root, { recursive: true });
  return state;
}

export async function namespacesRound(
  installation: Installation,
  { seed, round, expected }: { seed: number; round: number; expected: EndState },
): Promise<MetOutcome> {
  const random = Random.derive(seed, round);
  const meeting = MEETINGS[(round - 1) % MEETINGS.length] ?? 'gc';
  const sameName = random.below(2) === 0;
  const root = makeMetProject();
  const faults: string[] = [];
  const first = startContained(installation, 'box', commandOf('run', root));
  const drawn = `${'duvwx'[random.below(4)] ?? 'd'}`;
  await first.until((event) => event.type === 'stage-started' && event.stage === drawn);
  await wait(random.below(600));
  const isKilled = meeting.startsWith('kill');
  if (isKilled) first.kill();
  const other = sameName ? 'box' : 'another';
  const commands = await meet(installation, { root, host: other, meeting, first, faults });
  const { exitCode, stderr, stdout } = await first.ended;
  if (!isKilled && exitCode !== 0) faults.push(`the engine ended with ${exitCode}: ${stdout.slice(-300)} ${stderr}`);

  // Whoever was killed has been silent for long enough now.
  await wait(SILENCE_MS);
  const last = await startContained(installation, other, commandOf('run', root)).ended;
  if (last.exitCode !== 0) faults.push(`the last run ended with ${last.exitCode}: ${last.stderr}`);
  faults.push(...(await faultsOf(root, last.events[0]?.run, expected)), ...(await computedTwice(root)));
  if (faults.length === 0) rmSync(root, { recursive: true });
  return {
    meeting,
    sameName,
    commands,
    kills: isKilled ? 1 : 0,
    faults: faults.map((fault) => `seed ${seed} round ${round} (${meeting}): ${fault}`),
  };
}

interface Met {
  readonly root: string;
  readonly host: string;
  readonly meeting: Meeting;
  readonly first: Contained;
  readonly faults: string[];
}

/** @returns how many commands met the first engine. */
async function meet(installation: Installation, { root, host, meeting, first, faults }: Met): Promise<number> {
  const run = async (command: string): Promise<void> => {
    const { exitCode, stdout, stderr } = await startContained(installation, host, commandOf(command, root)).ended;
    const mayRefuse = meeting === 'resume' && exitCode === 2 && /is still running|no unfinished run/.test(stderr);
    if (exitCode !== 0 && !mayRefuse) faults.push(`${command} ended with ${exitCode}: ${stdout.slice(-300)} ${stderr}`);
    if (/bug in headgate|^\s+at /m.test(stderr)) faults.push(`${command} ended in a stack: ${stderr}`);
  };
  const command = meeting.replace('kill, ', '');
  let commands = 0;
  do {
    await run(command);
    commands++;
  } while ((command === 'gc' || command === 'verify') && first.process.exitCode === null);
  return commands;
}

function commandOf(command: string, root: string): readonly string[] {
  const told = ['--root', root];
  switch (command) {
    case 'gc':
      return ['cache', 'gc', '--keep-runs', '1', '--max-size', '1kB', ...told];
    case 'verify':
      return ['cache', 'verify', ...told];
    case 'run':
      return ['run', join(root, 'met.json'), '--log-format', 'jsonl', ...told];
    default:
      return ['resume', '--log-format', 'jsonl', ...told];
  }
}

async function computedTwice(root: string): Promise<readonly string[]> {
  const times = new Map<string, number>();
  for (const event of (await journalsOf(root)).flat()) {
    if (event.type !== 'stage-succeeded') continue;
    const name = `${event.stage} (${event.key})`;
    times.set(name, (times.get(name) ?? 0) + 1);
  }
  return [...times].filter(([, count]) => count > 1).map(([name, count]) => `${name} was computed ${count} times`);
}
