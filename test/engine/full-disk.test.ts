// The disk is full: said in words, nothing half-visible, and the work goes on once there is space.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { readdir, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { collect, planCollection } from '../../src/store/collect.ts';
import { openStore } from '../../src/store/store.ts';
import { storeTimeMs } from '../../src/store/store-time.ts';
import { verifyStore } from '../../src/store/verify.ts';
import { Engine, ofType } from '../support/engine.ts';
import { plan, script } from '../support/plans.ts';

const SIZE = 3 << 20;
const mountPoint = mkdtempSync(join(tmpdir(), 'headgate-small-'));
const isMounted = mounted();
afterAll(() => {
  // Lazily: jobs of a run that failed may still be ending.
  if (isMounted) execFileSync('umount', ['-l', mountPoint]);
  rmSync(mountPoint, { recursive: true });
});

function mounted(): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE}`, 'tmpfs', mountPoint], { stdio: 'ignore' });
    return true;
  } catch {
    return false; // not root, or a container that may not mount
  }
}

let engine: Engine;
beforeEach(async () => {
  for (const name of await readdir(mountPoint)) await rm(join(mountPoint, name), { recursive: true });
  engine = Engine.in(mountPoint);
});
afterEach(() => rm(join(mountPoint, 'ballast'), { force: true }));

const STAGES = 6;
const work = plan(
  Array.from({ length: STAGES }, (_, index) =>
    script(`s${index}`, `require('fs').writeFileSync(process.argv[1], Buffer.alloc(2e5, ${index + 1}))`, {
      args: ['{output:out}'],
      ...(index === 0 ? {} : { inputs: { before: `s${index - 1}.out` } }),
    }),
  ),
);

// The file system is needed small; a skip here is for machines where none may be mounted.
test.skipIf(!isMounted).each([0, 1e4, 1e5, 4e5, 8e5, 1.2e6])(
  'with %i bytes free a run ends in words or an error code, and the next one with space completes it',
  async (free) => {
    const { bavail, bsize } = await statfs(mountPoint);
    await writeFile(join(mountPoint, 'ballast'), Buffer.alloc(Math.max(0, bavail * bsize - free)));
    const ended = await engine.run(work).then(
      ({ outcome }) => outcome.exitCode,
      (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
    );
    expect([1, 'ENOSPC']).toContain(ended);
    await rm(join(mountPoint, 'ballast'));
    expect((await verifyStore(openStore(mountPoint), false)).wrong).toEqual([]);
    const again = await engine.run(work);
    expect(again.outcome.exitCode).toBe(0);
    expect(await readdir(openStore(mountPoint).layout.drafts)).toEqual([]);
    expect((await engine.run(work)).states).toEqual(Object.fromEntries(work.stages.map(({ id }) => [id, 'cached'])));
  },
);

test.skipIf(!isMounted)(
  'what an attempt wrote until the disk was full is free again for the next stage, without a hand',
  async () => {
    const writing = (id: string, bytes: number) =>
      script(id, `require('fs').writeFileSync(process.argv[1], Buffer.alloc(${bytes}, 7))`, { args: ['{output:out}'] });
    const { bavail, bsize } = await statfs(mountPoint);
    await writeFile(join(mountPoint, 'ballast'), Buffer.alloc(bavail * bsize - 1.5e6));
    const first = await engine.run(plan([writing('large', 4e6)]));
    expect(first.states).toEqual({ large: 'failed' });
    // Nearly all of what there was.
    const second = await engine.run(plan([writing('small', 1.1e6)]));
    expect(ofType(second.events, 'stage-failed')).toEqual([]);
    expect(second.states).toEqual({ small: 'succeeded' });
  },
);

test.skipIf(!isMounted)(
  'on a disk without a byte left, collecting works and frees what nothing refers to',
  async () => {
    const store = openStore(mountPoint);
    await engine.run(work);
    for (let index = 0; index < 5; index++) await store.objects.putBytes(Buffer.alloc(1e5, 100 + index));
    const { bavail, bsize } = await statfs(mountPoint);
    await writeFile(join(mountPoint, 'ballast'), Buffer.alloc(bavail * bsize));
    const leaving = await planCollection(store, {}, storeTimeMs(store.layout));
    expect(leaving.map(({ what }) => what)).toEqual(Array.from({ length: 5 }, () => 'object'));
    await collect(store, leaving);
    expect((await statfs(mountPoint)).bavail * bsize).toBeGreaterThanOrEqual(5e5);
    expect((await engine.run(work)).outcome.exitCode).toBe(0);
  },
);
