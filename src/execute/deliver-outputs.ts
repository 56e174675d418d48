// Final outputs under names that people know: `.headgate/out/<workflow>/export.onnx`. Copies, so that an editor cannot
// reach into the store; written only when they differ.
import { chmod, copyFile, constants, mkdir, rename, stat } from 'node:fs/promises';
import { extname, join, relative } from 'node:path';
import type { OutputRecord } from '../events/run-events.ts';
import type { Plan } from '../plan/plan.ts';
import type { Store } from '../store/store.ts';
import { isDigest } from '../support/digest.ts';
import { draftName } from '../support/durable-files.ts';

export interface Delivered {
  readonly stage: string;
  readonly port: string;
  /** Relative to the root. */
  readonly path: string;
  readonly bytes: number;
}

/** What a person takes away from a run; everything else stays where `inspect` finds it. */
const FINAL_KINDS = new Set(['export', 'merge', 'command']);
const FINAL_TYPES = new Set(['file', 'merged', 'model', 'checkpoint']);
const EXTENSIONS: { readonly [type: string]: string } = { merged: '.onnx', model: '.onnx', checkpoint: '.safetensors' };

/** @param outputs what each stage that has ended gave. */
export async function deliverOutputs(
  store: Store,
  plan: Plan,
  outputs: ReadonlyMap<string, { readonly [port: string]: OutputRecord }>,
): Promise<readonly Delivered[]> {
  const used = usedPorts(plan);
  const delivered: Delivered[] = [];
  for (const stage of plan.stages) {
    if (!FINAL_KINDS.has(stage.kind)) continue;
    for (const [port, output] of Object.entries(outputs.get(stage.id) ?? {})) {
      const intermediate = stage.kind === 'command' && used.has(`${stage.id}.${port}`);
      if (intermediate || !FINAL_TYPES.has(output.type) || output.tree === true || !isDigest(output.digest)) continue;
      const folder = join(store.layout.out, plan.name.replace(/[^A-Za-z0-9._-]+/g, '-'));
      const extension = extname(output.name ?? '') || (EXTENSIONS[output.type] ?? '');
      const name = extension === `.${port}` ? `${stage.id}${extension}` : `${stage.id}.${port}${extension}`;
      const path = join(folder, name.replace(/[^A-Za-z0-9._[\]-]/g, '_'));
      if ((await store.stats.digestOf(path)) !== output.digest) {
        if ((await store.objects.verify({ digest: output.digest, tree: false })) !== 'intact') continue;
        await mkdir(folder, { recursive: true });
        const draft = draftName(path);
        await copyFile(store.objects.pathOf(output.digest), draft, constants.COPYFILE_FICLONE);
        await chmod(draft, 0o644);
        await rename(draft, path);
        await store.stats.remember(path, output.digest);
      }
      delivered.push({
        stage: stage.id,
        port,
        path: relative(store.layout.root, path),
        bytes: (await stat(path)).size,
      });
    }
  }
  return delivered;
}

function usedPorts(plan: Plan): ReadonlySet<string> {
  const used = new Set<string>();
  for (const stage of plan.stages) {
    for (const binding of Object.values(stage.inputs)) {
      const sources =
        binding.shape === 'one'
          ? [binding.from]
          : binding.shape === 'collect'
            ? binding.items.map(({ from }) => from)
            : binding.alternatives.map(({ from }) => from);
      for (const { stage: producer, port } of sources) used.add(`${producer}.${port}`);
    }
  }
  return used;
}
