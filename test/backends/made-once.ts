// What a job makes of equal settings and equal inputs, made by the first who asks in this run of the tests and copied for all
// others: twenty files start from the same small world, each in a process of its own.
import { cp, readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobResult } from '../../src/events/job-protocol.ts';
import { canonicalJson } from '../../src/support/canonical-json.ts';
import { digestBytes } from '../../src/support/digest.ts';
import { sharedOnce } from '../support/shared-folder.ts';
import { outputsOf, type JobOrder, type WorkerRig } from './worker-rig.ts';

/** Port → path, in the rig's own folder: whoever spoils a file spoils only his own. */
export async function madeOnce(rig: WorkerRig, order: JobOrder): Promise<{ readonly [port: string]: string }> {
  const made = await sharedOnce(await keyOf(order), async (draft) => {
    const done = await rig.run(order);
    outputsOf(done); // a job that failed is nothing to share
    await cp(done.folder, draft, { recursive: true });
  });
  const folder = await rig.newFolder();
  await cp(made, folder, { recursive: true });
  const result = JSON.parse(await readFile(join(folder, 'result.json'), 'utf8')) as JobResult;
  return outputsOf({ folder, result, events: [] });
}

async function keyOf({ inputs = {}, ...order }: JobOrder): Promise<string> {
  const contents: { [port: string]: string } = {};
  for (const [port, path] of Object.entries(inputs)) contents[port] = await contentOf(path);
  return digestBytes(canonicalJson({ ...order, inputs: contents }));
}

async function contentOf(path: string): Promise<string> {
  if (!(await stat(path)).isDirectory()) return digestBytes(await readFile(path));
  const names = (await readdir(path)).sort();
  const contents = await Promise.all(names.map(async (name) => [name, await contentOf(join(path, name))]));
  return digestBytes(canonicalJson(contents));
}
