// A disk that is really full, at some point of the run: a clear failure, nothing half-visible, and after space was made the
// same command goes on to the end of an undisturbed run. Needs a small file system of its own.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Random } from '../../src/support/random.ts';
import { Installation } from '../e2e/installation.ts';
import { timeoutMs } from './campaign-size.ts';
import { undisturbed } from './crash-campaign.ts';
import { faultsOf } from './end-state.ts';
import { makeMixedProject } from './mixed-project.ts';
import { runSession } from './sessions.ts';

function mount(folder: string, ...options: readonly string[]): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options.join(','), 'tmpfs', folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function mayMount(): boolean {
  const folder = join(import.meta.dirname, '../../node_modules/.cache/headgate-mount');
  mkdirSync(folder, { recursive: true });
  const mounted = process.platform === 'linux' && mount(folder, 'size=1m');
  if (mounted) execFileSync('umount', [folder]);
  return mounted;
}

// A skip, where nobody may mount: the crash campaign fills the disk by a preload there, too.
test.skipIf(!mayMount())(
  'a disk that fills up at any point is told in words, and costs nothing once there is space again',
  async () => {
    const installation = await Installation.build();
    const random = new Random(1);
    try {
      const { expected } = await undisturbed(installation);
      for (const kilobytes of [96, 400, 900]) {
        const root = await makeMixedProject();
        const home = join(root, '.headgate');
        mkdirSync(home);
        mount(home, `size=${kilobytes}k`);
        try {
          const full = await runSession(installation, root, { command: 'run' }, random);
          const told = `${full.stdout.slice(-3000)}${full.stderr}`;
          expect(full.exitCode, told).toBe(1);
          expect(told).toMatch(/no space left|disk is full/i);
          expect(/.*bug in headgate.*/.exec(told)?.[0]).toBeUndefined();
          mount(home, 'remount', 'size=64m');
          const again = await runSession(installation, root, { command: 'run' }, random);
          expect(again.exitCode, `${again.stdout}${again.stderr}`).toBe(0);
          expect(await faultsOf(root, again.events[0]?.run, expected)).toEqual([]);
        } finally {
          execFileSync('umount', ['-l', home]);
          rmSync(root, { recursive: true });
        }
      }
    } finally {
      await installation.remove();
    }
  },
  timeoutMs,
);
