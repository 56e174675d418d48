// Final outputs under names that people know: `.headgate/out/<workflow>/export.onnx`. Copies, so that an editor cannot
// reach into the store; written only when they differ.
import { chmod, copyFile, constants, mkdir, rename } from 'node:fs/promises';
import { dirname, extname, join, relative } from 'node:path';
import type { OutputRecord } from '../events/run-events.ts';
import type { Plan } from '../plan/plan.ts';
import type { Store } from '../store/store.ts';
import { isDigest, type Digest } from '../support/digest.ts';
import { draftName } from '../support/atomic-file.ts';
import { stampOf } from '../support/file-stamp.ts';
import { fileNameOf } from '../support/file-name.ts';

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

/** @param outputs what each stage that has ended gave. @param stop what is not delivered by then is left out. */
export async function deliverOutputs(
  store: Store,
  plan: Plan,
  outputs: ReadonlyMap<string, { readonly [port: string]: OutputRecord }>,
  stop?: AbortSignal,
): Promise<readonly Delivered[]> {
  const used = usedPorts(plan);
  const folder = join(store.layout.out, folderName(plan.name));
  const shown = relative(store.layout.root, folder);
  const delivered: Delivered[] = [];
  for (const stage of plan.stages) {
    if (!FINAL_KINDS.has(stage.kind) && stage.runsOn !== 'program') continue;
    for (const [port, output] of Object.entries(outputs.get(stage.id) ?? {})) {
      const intermediate = (stage.kind === 'command' || stage.runsOn === 'program') && used.has(`${stage.id}.${port}`);
      if (stop?.aborted === true) return delivered;
      if (intermediate || !FINAL_TYPES.has(output.type) || !isDigest(output.digest)) continue;
      const name = fileName(stage.id, port, output);
      const path = `${folder}/${name}`;
      const there =
        output.tree === true
          ? await deliverTree(store, output.digest, path)
          : await deliverFile(store, output.digest, path);
      if (there) delivered.push({ stage: stage.id, port, path: `${shown}/${name}`, bytes: output.bytes });
    }
  }
  return delivered;
}

/** Of a file, on every file system in use. */
const LONGEST_NAME_BYTES = 255;

/** Never empty, `.` or `..`, and not too long for a file system. Letters of every script stay, or their names would be one. */
function folderName(workflow: string): string {
  const written = workflow.normalize('NFC').replace(/[^\p{L}\p{M}\p{N}._-]+/gu, '-');
  let name = written.slice(0, 100);
  while (Buffer.byteLength(name) > LONGEST_NAME_BYTES) name = [...name].slice(0, -1).join('');
  return /^\.*$/.test(name) ? 'workflow' : name;
}

function fileName(stage: string, port: string, { name, type, tree }: OutputRecord): string {
  const extension = tree === true ? '' : extname(name ?? '') || (EXTENSIONS[type] ?? '');
  const text = extension === `.${port}` ? `${stage}${extension}` : `${stage}.${port}${extension}`;
  return fileNameOf(text);
}

async function deliverTree(store: Store, digest: Digest, folder: string): Promise<boolean> {
  for (const entry of (await store.objects.entriesOf(digest)) ?? []) {
    if (!(await deliverFile(store, entry.digest, join(folder, entry.path)))) return false;
  }
  return true;
}

/** False when the object is missing or damaged: the next run makes it again. */
async function deliverFile(store: Store, digest: Digest, path: string): Promise<boolean> {
  if ((await store.stats.digestOf(path)) === digest) return true;
  if ((await store.objects.verify({ digest, tree: false })) !== 'intact') return false;
  await mkdir(dirname(path), { recursive: true });
  // Not beside the file: what a kill leaves there, nobody would ever sweep.
  const { drafts } = store.layout;
  await mkdir(drafts, { recursive: true });
  const draft = join(drafts, draftName('delivered'));
  await copyFile(store.objects.pathOf(digest), draft, constants.COPYFILE_FICLONE);
  await chmod(draft, 0o644);
  await rename(draft, path);
  store.stats.remember(path, stampOf(path), digest);
  store.stats.looks.noteOwn(path);
  return true;
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
