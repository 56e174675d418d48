// What collecting removes and what it never touches; and that verifying finds every injury, over a real store.
import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { takeClaim } from '../../src/store/claims.ts';
import { collect, decideCollection, GRACE_MS, planCollection, type CollectOptions } from '../../src/store/collect.ts';
import { LatestKeys } from '../../src/store/actions.ts';
import { lockRun, unlockRun } from '../../src/store/run-lock.ts';
import { runFolder } from '../../src/store/runs.ts';
import { openStore } from '../../src/store/store.ts';
import { surveyStore, type KnownRecord, type KnownRun } from '../../src/store/survey.ts';
import { verifyStore } from '../../src/store/verify.ts';
import { runId } from '../../src/events/ids.ts';
import { digestBytes, type Digest } from '../../src/support/digest.ts';
import { Engine, ofType } from '../support/engine.ts';
import { deadEngineHere } from '../support/other-engines.ts';
import { plan, script } from '../support/plans.ts';
import { randomSource } from './random-source.ts';

const HOUR = 60 * 60 * 1000;
const NOW = 1000 * HOUR;
const [a, b, c] = [digestBytes('a'), digestBytes('b'), digestBytes('c')];

const RECORD: KnownRecord['record'] = {
  format: 'headgate-action',
  version: 1,
  key: a,
  preImage: {},
  outputs: {},
  summary: {},
  facts: { metrics: [], proofs: [] },
  madeBy: { run: '', stage: '', attempt: 1, milliseconds: 0, time: '', host: {} },
};

interface Circumstances {
  readonly inUse?: readonly Digest[];
  readonly runs?: readonly KnownRun[];
  readonly quiet?: boolean;
}

describe('what goes', () => {
  /** Records a, b and c, used `hours` ago, each with one object of 100 bytes of its own name. */
  function decided(
    ages: { readonly [key: string]: number },
    options: CollectOptions,
    { inUse = [], runs = [], quiet = false }: Circumstances = {},
  ): readonly Digest[] {
    const piece = (hours: number) => ({ path: '', bytes: 100, changedMs: NOW - hours * HOUR });
    const entries = Object.entries(ages).map(([key, hours]) => [key as Digest, piece(hours)] as const);
    const records = new Map(
      entries.map(([key, found]) => [key, { ...found, objects: [key], record: RECORD }] as const),
    );
    const { records: going, objects } = decideCollection(
      { objects: new Map(entries), records, runs, quiet },
      new Set(inUse),
      options,
      NOW,
    );
    expect(objects).toEqual(expect.arrayContaining([...going]));
    return going;
  }
  const run = (name: string, hoursAgo: number, keys: readonly Digest[], workflow = 'w'): KnownRun => ({
    run: runId(name),
    folder: name,
    workflow,
    startedMs: NOW - hoursAgo * HOUR,
    live: false,
    keys: new Set(keys),
    attemptOutputs: [],
  });

  test('without a limit no record goes', () => {
    expect(decided({ [a]: 900, [b]: 2 }, {})).toEqual([]);
  });

  test('by age: what no run has used for so long', () => {
    expect(decided({ [a]: 50, [b]: 50, [c]: 5 }, { olderThanMs: 40 * HOUR }, { runs: [run('r', 3, [b])] })).toEqual([
      a,
    ]);
  });

  test('by size: the longest unused, until the rest fits', () => {
    expect(decided({ [a]: 30, [b]: 50, [c]: 40 }, { maxBytes: 100 })).toEqual([b, c]);
  });

  test('by runs: what the newest of each workflow used stays', () => {
    const runs = [run('3', 1, [a]), run('2', 2, [b]), run('1', 3, [c], 'other')];
    expect(decided({ [a]: 9, [b]: 9, [c]: 9 }, { keepRuns: 1 }, { runs })).toEqual([b]);
  });

  test('never what is in use, nor what is new, whatever the limits say', () => {
    const limits = { olderThanMs: 0, maxBytes: 0, keepRuns: 0 };
    expect(decided({ [a]: 9, [b]: (GRACE_MS / HOUR) * 0.9, [c]: 9 }, limits, { inUse: [c] })).toEqual([a]);
  });
});

describe('in a store', () => {
  let engine: Engine;
  beforeEach(async () => {
    engine = await Engine.inNewFolder();
  });
  afterEach(async () => {
    await engine.remove();
  });
  const work = (text: string) =>
    plan([
      script('one', `require('fs').writeFileSync(process.argv[1], '${text}')`, { args: ['{output:out}'] }),
      script('two', `require('fs').copyFileSync(process.argv[2], process.argv[1])`, {
        args: ['{output:out}', '{input:in}'],
        inputs: { in: 'one.out' },
      }),
    ]);
  /** As it will be when what is new now is new no more. */
  const later = (): number => Date.now() + 2 * GRACE_MS;

  test('what the kept run used is restored afterwards, what went is made again', async () => {
    await engine.run(work('first'));
    await engine.run(work('second'));
    const store = openStore(engine.root);
    await collect(store, await planCollection(store, { keepRuns: 1 }, later()));
    expect((await engine.run(work('second'))).states).toEqual({ one: 'cached', two: 'cached' });
    const again = await engine.run(work('first'));
    expect(again.states).toEqual({ one: 'succeeded', two: 'succeeded' });
    expect(again.outcome.exitCode).toBe(0);
  });

  test('what a run that goes on used last time, and what is claimed, stays', async () => {
    const first = await engine.run(work('first'));
    const [key] = ofType(first.events, 'stage-succeeded').map((event) => event.key as Digest);
    const store = openStore(engine.root);
    await lockRun(runFolder(store.layout, first.outcome.run));
    expect(await planCollection(store, { keepRuns: 0 }, later())).toEqual([]);
    unlockRun(runFolder(store.layout, first.outcome.run));
    if (key === undefined) throw new Error('nothing was made');
    takeClaim(store.layout, key, { engine: deadEngineHere(), run: 'r', jobFolder: '' });
    const leaving = await planCollection(store, { keepRuns: 0 }, later());
    expect(leaving.map(({ path }) => path)).not.toContain(store.actions.pathOf(key));
    expect([...(await LatestKeys.open(store.layout, 'test.json')).all()]).toContain(key);
  });

  test('an object that nothing refers to goes as soon as nobody is at work', async () => {
    const store = openStore(engine.root);
    const { digest } = await store.objects.putBytes('of a run that was killed');
    const folder = runFolder(store.layout, runId('20261201-000000000-abcd'));
    await lockRun(folder);
    expect(await planCollection(store, {}, Date.now())).toEqual([]);
    unlockRun(folder);
    await collect(store, await planCollection(store, {}, Date.now()));
    expect(await store.objects.check({ digest, tree: false })).toBe('missing');
  });

  test('verifying a sound store finds nothing, and of thirty random injuries every one', async () => {
    await engine.run(work('first'));
    expect((await verifyStore(openStore(engine.root), false)).wrong).toEqual([]);
    const random = randomSource(7);
    for (let round = 0; round < 30; round++) {
      const store = openStore(engine.root);
      const { objects, records } = await surveyStore(store);
      const paths = [...objects.values(), ...records.values()].map(({ path }) => path);
      const path = paths[random(paths.length)] ?? '';
      const bytes = await readFile(path);
      const isGone = random(4) === 0;
      if (isGone) await rm(path);
      else {
        const place = random(bytes.length);
        bytes[place] = (bytes[place] ?? 0) ^ (1 << random(8));
        await chmod(path, 0o644);
        await writeFile(path, bytes);
      }
      const { wrong } = await verifyStore(openStore(engine.root), true);
      // A record that is gone is no longer known of: only its objects are left, and they are sound.
      expect(wrong.length > 0 || (path.endsWith('.json') && isGone)).toBe(true);
      expect((await verifyStore(openStore(engine.root), false)).wrong).toEqual([]);
      expect((await engine.run(work('first'))).outcome.exitCode).toBe(0);
    }
  });
});
