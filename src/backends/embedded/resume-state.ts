// The resume state of a training: everything that the next step depends on, in one safetensors file, replaced by rename.
// Data order needs no state: it follows from seed and epoch.
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TrainerState } from '../../qat/train/trainer.ts';
import { writeFileAtomic } from '../../support/atomic-file.ts';
import { decodeSafetensors, encodeSafetensors } from '../../support/safetensors.ts';
import { floatTensor } from '../../support/tensor.ts';

export interface ResumeState {
  readonly trainer: TrainerState;
  /** Sums of each loss over the epoch so far, exact. */
  readonly lossSums: { readonly [loss: string]: number };
  /** Mean losses of the epochs that are done. */
  readonly epochs: readonly { readonly [loss: string]: number }[];
}

const FILE = 'state.safetensors';
const vectors = ['parameters', 'first', 'second', 'statistics', 'ranges'] as const;

export async function saveResumeState(folder: string, state: ResumeState): Promise<void> {
  const tensors = new Map(
    vectors.map((name) => [name, floatTensor([state.trainer[name].length], state.trainer[name])]),
  );
  const { lossSums, epochs } = state;
  const metadata = {
    format: 'headgate-resume',
    version: '1',
    progress: JSON.stringify({ step: state.trainer.step, lossSums, epochs }),
  };
  await writeFileAtomic(join(folder, FILE), encodeSafetensors({ tensors, metadata }));
}

/** @returns undefined when there is none, or it cannot be read (the training then starts over: correct, only slower). */
export async function loadResumeState(folder: string | undefined): Promise<ResumeState | undefined> {
  if (folder === undefined) return undefined;
  const path = join(folder, FILE);
  if (
    !(await access(path).then(
      () => true,
      () => false,
    ))
  )
    return undefined;
  const decoded = decodeSafetensors(await readFile(path));
  if (!decoded.ok || decoded.value.metadata['format'] !== 'headgate-resume') return undefined;
  const { tensors, metadata } = decoded.value;
  const { step, lossSums, epochs } = JSON.parse(metadata['progress'] ?? '{}') as { step: number } & Pick<
    ResumeState,
    'lossSums' | 'epochs'
  >;
  const [parameters, first, second, statistics, ranges] = vectors.map(
    (name) => (tensors.get(name)?.data as Float32Array | undefined) ?? new Float32Array(0),
  ) as [Float32Array, Float32Array, Float32Array, Float32Array, Float32Array];
  return { trainer: { step, parameters, first, second, statistics, ranges }, lossSums, epochs };
}
