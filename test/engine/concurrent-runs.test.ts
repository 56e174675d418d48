// Engines on one store, as processes of their own: a key is computed once, whoever starts when.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { RunEvent } from '../../src/events/run-events.ts';
import { claimKey } from '../../src/execute/claim-key.ts';
import { localExecutor } from '../../src/executors/local.ts';
import { takeClaim } from '../../src/store/claims.ts';
import { openStore } from '../../src/store/store.ts';
import { digestBytes } from '../../src/support/digest.ts';
import { bundleEntry } from '../support/bundle.ts';
import { OBEDIENT_WORKER, ofType } from '../support/engine.ts';
import { plan, script } from '../support/plans.ts';

let engineMain: string;
let root: string;
beforeAll(async () => {
  engineMain = await bundleEntry(join(import.meta.dirname, '../support/engine-main.ts'));
});
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'headgate-concurrent-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const ENGINES = 4;
const STAGES = 5;

test('engines that start at once run each stage once, and all succeed', async () => {
  const tally = join(root, 'tally');
  // Every execution leaves a line; the loop makes the work long enough for the others to come upon it.
  const code = `require('fs').appendFileSync(${JSON.stringify(tally)}, process.argv[2] + '\\n'); for (const end = Date.now() + 150; Date.now() < end;); require('fs').writeFileSync(process.argv[1], process.argv[2])`;
  const stages = Array.from({ length: STAGES }, (_, index) =>
    script(`s${index}`, code, {
      args: ['{output:out}', `s${index}`],
      ...(index % 2 === 0 ? {} : { inputs: { before: `s${index - 1}.out` } }),
    }),
  );
  const planFile = join(root, 'plan.json');
  await writeFile(planFile, JSON.stringify(plan(stages)));
  const ends = await Promise.all(Array.from({ length: ENGINES }, () => runEngine(planFile)));
  expect(ends.map(({ exitCode }) => exitCode)).toEqual(Array.from({ length: ENGINES }, () => 0));
  const executed = (await readFile(tally, 'utf8')).trim().split('\n').sort();
  expect(executed).toEqual(stages.map(({ id }) => id).sort());
  const waits = ends.flatMap(({ events }) => ofType(events, 'stage-waiting'));
  for (const { owner } of waits) expect(owner.run).not.toBe('');
});

async function runEngine(planFile: string): Promise<{ exitCode: number; events: readonly RunEvent[] }> {
  const child = spawn(process.execPath, [engineMain, root, planFile, OBEDIENT_WORKER], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
  const [exitCode] = (await once(child, 'close')) as [number];
  const events = text.split('\n').filter(Boolean);
  return { exitCode, events: events.map((line) => JSON.parse(line) as RunEvent) };
}

test('an owner on another host is waited for as long as its claim moves, whatever its clock says', async () => {
  const store = openStore(root);
  const key = digestBytes('key');
  const elsewhere = { engine: { pid: 1, startTime: '1' }, host: 'another host', run: 'theirs', jobFolder: '' };
  await mkdir(store.layout.claims, { recursive: true });
  takeClaim(store.layout, key, elsewhere);
  const stopping = new AbortController();
  const path = join(store.layout.claims, `${key}.json`);
  await utimes(path, 1, 1); // a clock that is decades behind
  const owners: string[] = [];
  const mine = await claimKey(
    {
      store,
      executor: localExecutor,
      run: 'ours',
      orphanGraceMs: 0,
      stopping: stopping.signal,
      onWaiting: ({ run }) => {
        owners.push(run);
        stopping.abort();
      },
    },
    key,
  );
  expect({ mine, owners }).toEqual({ mine: false, owners: ['theirs'] });
});
