// Before the first test: dist/ is what the sources say. Bundles of the tests' own would start much slower than the shipped
// program, and hundreds of tests start it. And a folder for what several files of tests would otherwise each make anew.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureBuilt } from '../../scripts/ready.mjs';

export default async function buildFirst() {
  await ensureBuilt();
  const shared = await mkdtemp(join(tmpdir(), 'headgate-tests-'));
  process.env.HEADGATE_TESTS_SHARE = shared;
  return () => rm(shared, { recursive: true, force: true });
}
