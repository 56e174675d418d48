// What an engine does with a key that a dead engine had claimed, here or on another host.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { claimKey, type Claiming } from '../../src/execute/claim-key.ts';
import { ownEngine } from '../../src/process/engine-identity.ts';
import { readClaim, takeClaim } from '../../src/store/claims.ts';
import { SILENT_MS } from '../../src/store/owners.ts';
import { resumeStateOf } from '../../src/store/resume-states.ts';
import { openStore } from '../../src/store/store.ts';
import { digestBytes } from '../../src/support/digest.ts';
import { bundleEntry } from '../support/bundle.ts';
import { deadEngineHere } from '../support/other-engines.ts';

const key = digestBytes('what is to be done');

let root: string;
let jobFolder: string;
/** Seconds since 1970; the job that is inherited has its last state from a minute after its start. */
const [STARTED, SAVED] = [1_700_000_000, 1_700_000_060];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'headgate-claim-'));
  jobFolder = join(openStore(root).layout.runs, 'theirs/jobs/train/1');
  await mkdir(join(jobFolder, 'resume'), { recursive: true });
  const earlier = join(root, '.headgate/resume', key, '000001-30000');
  await writeFile(join(jobFolder, 'job.json'), JSON.stringify({ resumeFrom: earlier }));
  await utimes(join(jobFolder, 'job.json'), STARTED, STARTED);
  await writeFile(join(jobFolder, 'resume/state'), 'step 36');
  await utimes(join(jobFolder, 'resume/state'), SAVED, SAVED);
});
afterEach(() => rm(root, { recursive: true, force: true }));

interface Doing {
  readonly endOrphan?: () => Promise<void>;
  readonly clock?: NonNullable<Claiming['clock']>;
  readonly onWaiting?: Claiming['onWaiting'];
}

function claim({ endOrphan = () => Promise.resolve(), onWaiting = () => undefined, ...clock }: Doing = {}) {
  const store = openStore(root);
  const executor = {
    start: () => Promise.reject(new Error('nothing runs here')),
    endOrphan,
    stderrTail: () => Promise.resolve(''),
  };
  const stopping = new AbortController().signal;
  return claimKey({ store, executor, run: 'ours', orphanGraceMs: 0, stopping, onWaiting, ...clock }, key);
}

test('an engine that is killed while it takes over from a dead one loses nothing of what that one had saved', async () => {
  const { layout } = openStore(root);
  const dead = deadEngineHere();
  takeClaim(layout, key, { engine: dead, run: 'theirs', jobFolder, job: dead });
  await expect(claim({ endOrphan: () => Promise.reject(new Error('killed')) })).rejects.toThrow('killed');
  expect(readClaim(layout, key)).toMatchObject({ jobFolder });
  expect(await claim()).toBe(true);
  // With what its job had gone on from.
  expect((await resumeStateOf(layout, key))?.workMs).toBe(90_000);
});

test.each([
  ['an engine of another host', []],
  ['an engine of another host and of the earlier program', ['earlier']],
])('%s keeps its key while it gives signs of life; silent for long enough, it is inherited from', async (_, form) => {
  const main = await bundleEntry(join(import.meta.dirname, '../support/engine-elsewhere.ts'));
  const other = spawn(process.execPath, [main, root, key, jobFolder, ...form], { stdio: ['pipe', 'pipe', 'inherit'] });
  const said = async (): Promise<string> => String((await once(other.stdout, 'data'))[0]).trim();
  try {
    expect(await said()).toBe('claimed');
    let now = 0;
    let moved = false;
    const owners: string[] = [];
    const killed: string[] = [];
    const look = await claim({
      onWaiting: ({ host }) => owners.push(host),
      // Its process lives here all the time, but nobody may look: on another host its pid says nothing.
      endOrphan: () => Promise.resolve(void killed.push('its job')),
      clock: {
        now: () => now,
        wait: async (milliseconds) => {
          now += milliseconds;
          if (now < SILENT_MS * 0.8 || moved) return;
          moved = true;
          other.stdin.write('move\n');
          expect(await said()).toBe('moved');
        },
      },
    });
    // Whoever has waited looks first whether the work was done meanwhile; it was not, so the key is free to take.
    expect({ look, owners, killed }).toEqual({ look: false, owners: ['elsewhere'], killed: [] });
    expect(await claim()).toBe(true);
    expect(now).toBeGreaterThan(SILENT_MS * 1.8);
    expect(now).toBeLessThan(SILENT_MS * 2);
    expect(readClaim(openStore(root).layout, key)).toMatchObject({ run: 'ours', engine: ownEngine() });
    expect(await resumeStateOf(openStore(root).layout, key)).toBeDefined();
  } finally {
    other.kill();
  }
});
