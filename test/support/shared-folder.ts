// A folder that lives as long as one run of the tests and that all its files share (build-first.mjs makes and removes it).
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * A folder in it that whoever asks first makes; to be copied from, never changed.
 * @throws outside a run of the tests.
 */
export async function sharedOnce(name: string, make: (draft: string) => Promise<void>): Promise<string> {
  const shared = process.env['HEADGATE_TESTS_SHARE'];
  if (shared === undefined) throw new Error('there is no shared folder: HEADGATE_TESTS_SHARE is not set');
  const made = join(shared, name);
  if (existsSync(made)) return made;
  const draft = `${made}.${process.pid}`;
  await make(draft);
  // Another file may have been as quick: its bytes are the same.
  await rename(draft, made).catch(() => rm(draft, { recursive: true }));
  return made;
}
