// The index of action records is a cache of `actions/`: whatever happens to it or behind its back, what is recalled is what
// the records say.
import { appendFile, mkdtemp, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { keyOf, type ActionRecord } from '../../src/store/actions.ts';
import { openStore } from '../../src/store/store.ts';
import { randomSource } from './random-source.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'headgate-index-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const WORKFLOW = 'w.json';

function record(number: number, text = `${number}`): ActionRecord {
  const preImage = { number };
  return {
    format: 'headgate-action',
    version: 1,
    key: keyOf(preImage),
    preImage,
    outputs: { out: { digest: text, type: 'file', bytes: number } },
    summary: {},
    facts: { metrics: [], proofs: [] },
    madeBy: { run: 'r', stage: `s${number}`, attempt: 1, milliseconds: 1, time: '', host: {} },
  };
}

function opened(): ReturnType<typeof openStore>['actions'] {
  const { actions } = openStore(root);
  actions.openIndex(WORKFLOW);
  return actions;
}

async function indexFile(): Promise<string> {
  const folder = join(root, '.headgate/latest');
  return join(folder, (await readdir(folder)).find((name) => name.endsWith('.index')) ?? '');
}

async function written(count: number): Promise<readonly ActionRecord[]> {
  const actions = opened();
  const records = Array.from({ length: count }, (_, number) => record(number));
  for (const one of records) await actions.write(one);
  await actions.saveIndex();
  return records;
}

test('what was saved is recalled without opening the record', async () => {
  const [one] = await written(1);
  if (one === undefined) throw new Error('nothing was written');
  const text = await readFile(await indexFile(), 'utf8');
  expect(text).toContain(one.key);
  expect(opened().recall(one.key)).toEqual({
    ...one,
    format: undefined,
    version: undefined,
    preImage: undefined,
    madeBy: { ...one.madeBy, host: undefined },
  });
});

test('a record that is gone is not recalled, one that was replaced is recalled as it is now', async () => {
  const [gone, replaced] = await written(2);
  if (gone === undefined || replaced === undefined) throw new Error('nothing was written');
  await rm(openStore(root).actions.pathOf(gone.key));
  await openStore(root).actions.write(record(1, 'newer'));
  const actions = opened();
  expect(actions.recall(gone.key)).toBeUndefined();
  expect(actions.recall(replaced.key)?.outputs['out']?.digest).toBe('newer');
});

test('two hundred random injuries of index and records never make it recall what no record says', async () => {
  const records = await written(12);
  const random = randomSource(20261122);
  for (let round = 0; round < 200; round++) {
    const path = await indexFile();
    const bytes = await readFile(path);
    const victim = records[random(records.length)] ?? record(0);
    switch (random(5)) {
      case 0:
        bytes[random(bytes.length)] = random(256);
        await writeFile(path, bytes);
        break;
      case 1:
        await truncate(path, random(bytes.length));
        break;
      case 2:
        await appendFile(path, 'x'.repeat(random(9) + 1));
        break;
      case 3:
        await rm(path);
        break;
      default:
        await rm(opened().pathOf(victim.key), { force: true });
    }
    const actions = opened();
    for (const one of records) {
      const recalled = actions.recall(one.key);
      expect(recalled).toEqual(
        (await actions.read(one.key)) === undefined
          ? undefined
          : expect.objectContaining({ key: one.key, outputs: one.outputs }),
      );
      if (recalled === undefined) await actions.write(one); // as a run would
    }
    await actions.saveIndex();
    if (!(await readdir(join(root, '.headgate/latest'))).some((name) => name.endsWith('.index'))) {
      throw new Error('the index was not written again');
    }
  }
});
