// A project whose float network is trained already, under the tiny project's own settings: several files of tests begin
// there, and it is trained once in a run of them.
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { sharedOnce } from '../support/shared-folder.ts';
import type { Installation } from './installation.ts';
import { succeeded } from './project-report.ts';
import { makeProject, removeProject, writeWorkflow } from './tiny-project.ts';

/** Nothing but data and float training comes before these; the report split is read after all else. */
const UNTIL = ['detection', 'segmentation'].flatMap((task) => ['--until', `float-accuracy[${task}]`]);

/** The store has the records of the float stages, and no run: the first one finds them cached. */
export async function makeTrainedProject(installation: Installation): Promise<string> {
  const made = await sharedOnce('trained-store', (draft) => train(installation, draft));
  const root = await makeProject();
  for (const part of ['actions', 'objects'])
    await cp(join(made, part), join(root, '.headgate', part), { recursive: true });
  return root;
}

async function train(installation: Installation, draft: string): Promise<void> {
  const root = await makeProject();
  try {
    const workflow = await writeWorkflow(root, 'fashion-scenes.json');
    succeeded(await installation.run(['run', workflow, ...UNTIL, '--root', root]));
    await cp(join(root, '.headgate'), draft, { recursive: true });
  } finally {
    await removeProject(root);
  }
}
