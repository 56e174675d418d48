// A process that left a job's group and cleared its environment cannot be found by its marker, but holds the job's output
// open. Each test ends the stranger itself, by the pid that it was named with.
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startProcess, type ProcessSpec, type RunningProcess } from '../../src/process/start-process.ts';
import { redactorOf } from '../../src/support/redaction.ts';
import { Engine, ofType } from '../support/engine.ts';
import { plan, stage } from '../support/plans.ts';

/** Nobody waits this long: a test that hangs on the stranger fails by its own time limit. */
const STRANGER = `setsid env -i sh -c 'echo > ready; exec sleep 300'`;
/** Not before this is the stranger out of the group, which is killed when the program ends. */
const AWAY = 'until [ -e ready ]; do sleep 0.02; done';

let folder: string;
let strangers: string[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headgate-pipes-'));
  strangers = [];
});
afterEach(async () => {
  for (const named of strangers) process.kill(parseInt(named), 'SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

function shell(script: string, changes: Partial<ProcessSpec> = {}): Promise<RunningProcess> {
  return startProcess({
    argv: ['sh', '-c', script],
    cwd: folder,
    env: { ...process.env, HEADGATE_JOB: folder },
    marker: `HEADGATE_JOB=${folder}`,
    filter: redactorOf([]),
    stdoutFile: join(folder, 'stdout.log'),
    stderrFile: join(folder, 'stderr.log'),
    stdin: 'empty',
    graceMs: 1,
    ...changes,
  });
}

/** Milliseconds until it has ended; the stranger is there to be ended afterwards. */
async function timeOf(child: RunningProcess): Promise<number> {
  const before = performance.now();
  await child.ended;
  strangers.push(...child.strangers);
  return performance.now() - before;
}

const readLog = (): Promise<string> => readFile(join(folder, 'stdout.log'), 'utf8');

describe.runIf(process.platform === 'linux')('a job whose output a stranger holds open', () => {
  test('ends a second after its time is up, and the stranger is named', async () => {
    const child = await shell(`${STRANGER} & echo said; sleep 100`, { timeoutMs: 1000 });
    const milliseconds = await timeOf(child);
    expect(await child.ended).toMatchObject({ cause: 'timed-out' });
    expect(milliseconds).toBeGreaterThan(1900);
    expect(milliseconds).toBeLessThan(6000);
    expect(child.strangers).toEqual([expect.stringMatching(/^\d+ \(sleep 300\)$/)]);
    expect(await readLog()).toBe('said\n');
  });

  test('ends a second after the program has ended by itself, with its exit code and all that it printed', async () => {
    const child = await shell(`${STRANGER} & ${AWAY}; echo said; exit 7`);
    expect(await timeOf(child)).toBeLessThan(5000);
    expect(await child.ended).toEqual({ cause: 'exited', exitCode: 7, signal: null });
    expect(child.strangers).toEqual([expect.stringMatching(/^\d+ \(sleep 300\)$/)]);
    expect(await readLog()).toBe('said\n');
  });

  test.each(['cancel', 'kill'] as const)('ends a second after a %s', async (how) => {
    const child = await shell(`${STRANGER} & sleep 100`);
    await expect.poll(() => existsSync(join(folder, 'ready')), { timeout: 10_000 }).toBe(true);
    child[how]();
    expect(await timeOf(child)).toBeLessThan(5000);
    expect(await child.ended).toMatchObject({ cause: 'cancelled' });
    expect(child.strangers).toEqual([expect.stringMatching(/^\d+ \(sleep 300\)$/)]);
  });

  test('names a stranger that holds only the error output', async () => {
    const child = await shell(`${STRANGER} >/dev/null & ${AWAY}; exit 0`);
    await timeOf(child);
    expect(child.strangers).toEqual([expect.stringMatching(/^\d+ \(sleep 300\)$/)]);
  });

  test('is not kept waiting by a process that has put its output elsewhere, and names nobody', async () => {
    const child = await shell(`${STRANGER} >/dev/null 2>&1 & ${AWAY}; echo $!; exit 0`);
    await child.ended;
    strangers.push(await readLog());
    expect(child.strangers).toEqual([]);
  });
});

test.runIf(process.platform === 'linux')(
  'a stage with a timeout of a second is told as timed out, with a warning that names who held its output',
  async () => {
    const engine = await Engine.inNewFolder();
    try {
      const held = stage('held', 'command', {
        settings: { argv: ['sh', '-c', `${STRANGER} & sleep 100`] },
        timeoutMs: 1000,
      });
      const before = performance.now();
      const { events, outcome } = await engine.run(plan([held]));
      const milliseconds = performance.now() - before;
      const notes = ofType(events, 'job-reported').flatMap(({ event }) => (event.type === 'note' ? [event] : []));
      strangers.push(...notes.flatMap(({ text }) => /\d+ (?=\(sleep 300\))/.exec(text) ?? []));
      expect(outcome).toMatchObject({ outcome: 'failed', exitCode: 1 });
      expect(ofType(events, 'stage-failed')[0]?.failure).toEqual({ reason: 'timed-out', timeoutMs: 1000 });
      expect(notes.filter(({ text }) => text.startsWith('its output'))).toEqual([
        {
          type: 'note',
          level: 'warning',
          text: expect.stringMatching(/^its output is closed, .*: \d+ \(sleep 300\)$/) as string,
        },
      ]);
      expect(milliseconds).toBeLessThan(20_000);
    } finally {
      await engine.remove();
    }
  },
);
