// What killed engines and failed attempts leave: told apart from damage, freed by collecting, and left alone while an engine
// elsewhere may need it. Over a real store.
import { appendFile, mkdir, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { engineFields, type EngineIdentity } from '../../src/process/engine-identity.ts';
import { takeClaim } from '../../src/store/claims.ts';
import { collect, GRACE_MS, planCollection } from '../../src/store/collect.ts';
import { keepResumeState } from '../../src/store/resume-states.ts';
import { ownerOfRun } from '../../src/store/run-lock.ts';
import { runFolder } from '../../src/store/runs.ts';
import { openStore } from '../../src/store/store.ts';
import { verifyStore } from '../../src/store/verify.ts';
import { digestBytes, type Digest } from '../../src/support/digest.ts';
import { Engine, ofType } from '../support/engine.ts';
import { deadEngineHere, engineElsewhere } from '../support/other-engines.ts';
import { plan, script } from '../support/plans.ts';

let engine: Engine;
beforeEach(async () => {
  engine = await Engine.inNewFolder();
});
afterEach(() => engine.remove());

const good = plan([script('one', `require('fs').writeFileSync(process.argv[1], 'x')`, { args: ['{output:out}'] })]);
const failing = plan([
  script('one', `require('fs').writeFileSync(process.argv[1], 'large'); process.exit(1)`, { args: ['{output:out}'] }),
]);

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

async function lockAs(folder: string, owner: EngineIdentity): Promise<void> {
  await put(join(folder, 'lock.json'), JSON.stringify(engineFields(owner)));
}

test('verifying tells the leavings of a crash apart from damage', async () => {
  const { outcome, events } = await engine.run(good);
  const store = openStore(engine.root);
  const { layout } = store;
  const folder = runFolder(layout, outcome.run);
  const key = ofType(events, 'stage-succeeded')[0]?.key as Digest;
  const dead = deadEngineHere();
  const draft = (path: string, { token }: { token: string }): string => `${path}.draft-${token}-0123456789ab`;
  const left = {
    draft: [draft(store.actions.pathOf(key), dead), draft(join(layout.drafts, 'object'), dead)],
    claim: [join(layout.claims, `${digestBytes('other')}.json`)],
    lock: [join(folder, 'lock.json')],
    heartbeat: [join(layout.engines, `${dead.token}.json`)],
    'attempt-output': [join(folder, 'jobs/one/2/out')],
    'torn-journal': [folder],
    'resume-state': [join(layout.resume, key)],
    delivery: [join(layout.aside, 'one')],
  };
  for (const path of left.draft) await put(path, '{"half');
  takeClaim(layout, digestBytes('other'), { engine: dead, run: outcome.run, jobFolder: '' });
  await lockAs(folder, dead);
  await put(left.heartbeat[0] ?? '', '{}');
  await put(join(folder, 'jobs/one/2/out/o'), 'half');
  await appendFile(join(folder, 'events.jsonl'), '{"type":"stage-succ');
  await put(join(folder, 'state/step'), '36');
  await keepResumeState(layout, key, join(folder, 'state'), 0);
  await put(join(layout.aside, 'one/one.out'), 'of the run before');
  // Of an engine elsewhere: none of it is anybody's leavings.
  await put(draft(store.actions.pathOf(key), engineElsewhere()), '{"half');

  const found = await verifyStore(openStore(engine.root), false);
  expect(found.wrong).toEqual([]);
  const expected = Object.entries(left).flatMap(([what, paths]) => paths.map((path) => ({ what, path })));
  const sorted = (all: readonly { readonly what: string; readonly path: string }[]) =>
    all.map(({ what, path }) => `${what} ${path}`).sort();
  expect(sorted(found.leavings)).toEqual(sorted(expected));

  // And the next run and collecting clear up all that can go.
  expect((await engine.run(good, { deliver: true })).outcome.exitCode).toBe(0);
  await collect(store, await planCollection(store, {}, Date.now()));
  expect((await verifyStore(openStore(engine.root), false)).leavings).toEqual([{ what: 'torn-journal', path: folder }]);
});

test('an attempt that failed gives back at once what it wrote, unless it is to be kept; collecting frees that, too', async () => {
  const outputs = async (run: string): Promise<readonly string[]> => {
    const names = await readdir(join(engine.root, '.headgate/runs', run, 'jobs/one/1'));
    expect(names).toEqual(expect.arrayContaining(['job.json', 'stderr.log']));
    return names.filter((name) => name === 'out');
  };
  const first = await engine.run(failing);
  expect(first.outcome.exitCode).toBe(1);
  expect(await outputs(first.outcome.run)).toEqual([]);
  const second = await engine.run(failing, { keepFailed: true });
  expect(await outputs(second.outcome.run)).toEqual(['out']);
  const store = openStore(engine.root);
  const leaving = await planCollection(store, {}, Date.now());
  expect(leaving.map(({ what, bytes }) => ({ what, bytes: bytes > 0 }))).toEqual([
    { what: 'attempt-output', bytes: true },
  ]);
  await collect(store, leaving);
  expect(await outputs(second.outcome.run)).toEqual([]);
});

test('what nothing refers to goes at once when nobody works here, and stays while somebody elsewhere may', async () => {
  const { outcome } = await engine.run(good);
  const store = openStore(engine.root);
  const folder = runFolder(store.layout, outcome.run);
  const theirs = engineElsewhere();
  await lockAs(folder, theirs);
  await put(join(folder, 'jobs/one/7/out/o'), 'of a job at work');
  await put(join(folder, 'jobs/one/7/in/i'), 'what it reads');
  const { digest } = await store.objects.putBytes('of a record that is not written yet');
  const wanted = async (now: number): Promise<readonly string[]> =>
    (await planCollection(store, { keepRuns: 0 }, now)).map(({ what }) => what);
  // Not even when the file server's clock makes it old.
  expect(await wanted(Date.now() + 2 * GRACE_MS)).toEqual([]);
  await rm(join(folder, 'lock.json'));
  expect(await wanted(Date.now())).toEqual(['object', 'attempt-output', 'attempt-output']);
  await collect(store, await planCollection(store, {}, Date.now()));
  expect(await store.objects.check({ digest, tree: false })).toBe('missing');
});

test('a container that was killed is cleared up after once its heartbeat has stood still, and no process is touched', async () => {
  const { outcome } = await engine.run(good);
  const { layout } = openStore(engine.root);
  const folder = runFolder(layout, outcome.run);
  const theirs = engineElsewhere(); // with the pid of this very process
  const heartbeat = join(layout.engines, `${theirs.token}.json`);
  await lockAs(folder, theirs);
  await put(heartbeat, JSON.stringify({ everyMs: 100 }));
  await put(join(folder, 'jobs/one/7/resume/state'), 'step 7');
  takeClaim(layout, digestBytes('work'), {
    engine: theirs,
    run: outcome.run,
    jobFolder: join(folder, 'jobs/one/7'),
    job: theirs,
  });
  expect((await engine.run(good)).outcome.exitCode).toBe(0);
  expect(await ownerOfRun(folder)).toMatchObject({ standing: 'unsure' });
  await utimes(heartbeat, 5, 5);
  expect(await ownerOfRun(folder)).toMatchObject({ standing: 'alive', elsewhere: 'elsewhere' });
  await expect.poll(() => ownerOfRun(folder), { timeout: 5000, interval: 50 }).toBeUndefined();
  expect((await engine.run(good)).outcome.exitCode).toBe(0);
  expect(await readdir(folder)).not.toContain('lock.json');
  expect(await readdir(layout.claims)).toEqual([]);
  expect((await readdir(layout.engines)).filter((name) => !name.startsWith('seen-by-'))).toEqual([]);
  expect(await readdir(join(layout.resume, digestBytes('work')))).toEqual(['000001-0']);
});
