// The engine dies without a word (SIGKILL), alone or with its jobs, at several points. The next one goes on by itself, and
// what comes out is what an uninterrupted run gives.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RunEvent } from '../../src/events/run-events.ts';
import { isProcessAlive, type ProcessIdentity } from '../../src/process/process-identity.ts';
import { readJournal } from '../../src/store/journal.ts';
import { ownerOfRun } from '../../src/store/run-lock.ts';
import { listRuns, runFolder } from '../../src/store/runs.ts';
import { storeLayout } from '../../src/store/layout.ts';
import { bundleEntry } from '../support/bundle.ts';
import { Conductor } from '../support/conductor.ts';
import { OBEDIENT_WORKER, ofType } from '../support/engine.ts';
import { job, plan } from '../support/plans.ts';

let engineMain: string;
let root: string;
let conductor: Conductor;
beforeAll(async () => {
  engineMain = await bundleEntry(join(import.meta.dirname, '../support/engine-main.ts'));
});
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'headgate-crash-'));
  conductor = await Conductor.in(root);
});
afterEach(async () => {
  conductor.close();
  await rm(root, { recursive: true, force: true });
});

const STEPS = 4;
const work = (deaf = false) =>
  plan([
    job('data', { conductor: conductor.path, outputs: { out: 'data' } }),
    job(
      'train',
      { steps: STEPS, deaf, conductor: conductor.path, outputs: { out: { chain: true } } },
      { inputs: { data: 'data.out' } },
    ),
    job('export', { conductor: conductor.path, outputs: { out: { copy: 'head' } } }, { inputs: { head: 'train.out' } }),
  ]);

interface Engine {
  readonly process: ChildProcess;
  /** Its exit code and everything it told. */
  readonly ended: Promise<{ readonly exitCode: number | null; readonly events: readonly RunEvent[] }>;
}

async function startEngine(planned = work(), continued?: string): Promise<Engine> {
  const planFile = join(root, 'plan.json');
  await writeFile(planFile, JSON.stringify(planned));
  const args = [engineMain, root, planFile, OBEDIENT_WORKER, ...(continued === undefined ? [] : [continued])];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  const ended = once(child, 'close').then(([exitCode]) => ({
    exitCode: exitCode as number | null,
    events: text
      .split('\n')
      .filter((line) => line.endsWith('}'))
      .map((line) => JSON.parse(line) as RunEvent),
  }));
  return { process: child, ended };
}

async function claimedJobs(): Promise<readonly ProcessIdentity[]> {
  const folder = join(root, '.headgate/claims');
  const claims = await Promise.all(
    (await readdir(folder)).map(
      async (name) => JSON.parse(await readFile(join(folder, name), 'utf8')) as { job?: ProcessIdentity },
    ),
  );
  return claims.flatMap(({ job }) => (job === undefined ? [] : [job]));
}

async function killEngine(engine: Engine, withJobs: boolean): Promise<void> {
  const jobs = await claimedJobs();
  engine.process.kill('SIGKILL');
  if (withJobs) for (const { pid } of jobs) process.kill(-pid, 'SIGKILL');
  await engine.ended;
}

async function newestRun(): Promise<string> {
  return (await listRuns(storeLayout(root)))[0] ?? '';
}

const digestsOf = (events: readonly RunEvent[]) =>
  Object.fromEntries(
    [...ofType(events, 'stage-succeeded'), ...ofType(events, 'stage-restored')].map((event) => [
      event.stage,
      event.outputs['out']?.digest,
    ]),
  );

async function uninterrupted(): Promise<ReturnType<typeof digestsOf>> {
  const { events } = await (await startEngine()).ended;
  await rm(join(root, '.headgate'), { recursive: true });
  conductor.points.length = 0;
  return digestsOf(events);
}

describe('after SIGKILL of the engine and its jobs', () => {
  test.each([
    'data started',
    'train started',
    'train step 1',
    'train step 3',
    'train finished',
    'export started',
    'export finished',
  ])('at "%s", resuming gives the same digests', async (point) => {
    const expected = await uninterrupted();
    const held = conductor.hold(point);
    const first = await startEngine();
    await held;
    await killEngine(first, true);
    const run = await newestRun();
    expect(await ownerOfRun(runFolder(storeLayout(root), run as never))).toBeUndefined(); // nothing to unlock
    const { exitCode, events } = await (await startEngine(work(), run)).ended;
    expect(exitCode).toBe(0);
    expect(digestsOf(events)).toEqual(expected);
  });

  test('no training step that was saved is done again', async () => {
    const held = conductor.hold('train step 3');
    const first = await startEngine();
    await held;
    await killEngine(first, true);
    const { events } = await (await startEngine(work(), await newestRun())).ended;
    expect(ofType(events, 'stage-started').find(({ stage }) => stage === 'train')).toMatchObject({
      resumed: true,
      attempt: 2,
    });
    expect(conductor.points.filter((at) => at.startsWith('train step'))).toEqual(
      [1, 2, 3, 4].map((n) => `train step ${n}`),
    );
  });
});

describe('after SIGKILL of the engine alone', () => {
  test('its job notices, leaves its resume state and ends; the next run goes on from there', async () => {
    const held = conductor.hold('train step 2');
    const first = await startEngine();
    await held;
    const [job] = await claimedJobs();
    await killEngine(first, false);
    const { exitCode, events } = await (await startEngine(work(), await newestRun())).ended;
    expect(exitCode).toBe(0);
    expect(job !== undefined && (await isProcessAlive(job))).toBe(false);
    expect(conductor.points.filter((at) => at.startsWith('train step'))).toEqual(
      [1, 2, 3, 4].map((n) => `train step ${n}`),
    );
    expect(ofType(events, 'run-finished')[0]?.outcome).toBe('succeeded');
  });

  test('a new run (not a resumed one) goes on from the resume state too', async () => {
    const held = conductor.hold('train step 2');
    const first = await startEngine();
    await held;
    await killEngine(first, true);
    const { events } = await (await startEngine()).ended;
    expect(ofType(events, 'stage-started').find(({ stage }) => stage === 'train')).toMatchObject({ resumed: true });
  });
});

test('a torn last line of the journal is dropped and told', async () => {
  const held = conductor.hold('train step 2');
  const first = await startEngine();
  await held;
  await killEngine(first, true);
  const run = await newestRun();
  const folder = runFolder(storeLayout(root), run as never);
  const before = await readJournal(folder);
  await appendFile(join(folder, 'events.jsonl'), '{"type":"stage-succ');
  const { events } = await (await startEngine(work(), run)).ended;
  expect(ofType(events, 'journal-repaired')).toMatchObject([{ droppedBytes: 19 }]);
  const after = await readJournal(folder);
  expect(after.tornBytes).toBe(0);
  expect(after.events.slice(0, before.events.length)).toEqual(before.events);
  expect(after.events.map(({ seq }) => seq)).toEqual(after.events.map((_, index) => index));
});

test('two engines on one store compute a key once: the second waits and takes it', async () => {
  const held = conductor.hold('train step 1');
  const first = await startEngine();
  const standing = await held;
  const second = await startEngine();
  standing.go();
  const [one, two] = await Promise.all([first.ended, second.ended]);
  expect([one.exitCode, two.exitCode]).toEqual([0, 0]);
  expect(digestsOf(two.events)).toEqual(digestsOf(one.events));
  expect(conductor.points.filter((at) => at === 'train started')).toHaveLength(1);
});
