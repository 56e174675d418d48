// The resume state of a training: everything that the next step depends on, in one safetensors file, replaced by rename.
// Data order needs no state: it follows from seed and epoch.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stateVectors } from '../../qat/train/trainer.ts';
import type { TrainerState } from '../../qat/train/trainer.ts';
import { writeFileAtomic } from '../../support/atomic-file.ts';
import { digestBytes, digestJson } from '../../support/digest.ts';
import { isJsonObject } from '../../support/json.ts';
import { decodeSafetensors, encodeSafetensors } from '../../support/safetensors.ts';
import { floatTensor, tensorBytes, type Tensor } from '../../support/tensor.ts';

export interface ResumeState {
  readonly trainer: TrainerState;
  /** Sums of each loss over the epoch so far, exact. */
  readonly lossSums: { readonly [loss: string]: number };
  /** Mean losses of the epochs that are done. */
  readonly epochs: readonly { readonly [loss: string]: number }[];
}

const FILE = 'state.safetensors';
const FORMAT = 'headgate-resume';

export async function saveResumeState(folder: string, state: ResumeState): Promise<void> {
  const tensors = new Map(
    stateVectors.map((name) => [name, floatTensor([state.trainer[name].length], state.trainer[name])]),
  );
  const { lossSums, epochs } = state;
  const progress = JSON.stringify({ step: state.trainer.step, lossSums, epochs });
  const metadata = { format: FORMAT, version: '3', progress, seal: sealOf(tensors, progress) };
  await writeFileAtomic(join(folder, FILE), encodeSafetensors({ tensors, metadata }));
}

/**
 * @param like the training's state at its start: what is read must have its sizes.
 * @returns undefined when there is none, or it cannot be read (the training then starts over: correct, only slower).
 */
export async function loadResumeState(
  folder: string | undefined,
  like: TrainerState,
): Promise<ResumeState | undefined> {
  if (folder === undefined) return undefined;
  const bytes = await readFile(join(folder, FILE)).catch(() => undefined);
  const decoded = bytes === undefined ? undefined : decodeSafetensors(bytes);
  if (decoded?.ok !== true || decoded.value.metadata['format'] !== FORMAT) return undefined;
  const { tensors, metadata } = decoded.value;
  // The state is no object of the store: no digest names it, so it carries its own.
  if (metadata['seal'] !== sealOf(tensors, metadata['progress'])) return undefined;
  const progress = progressOf(metadata['progress']);
  const sound = stateVectors.every((name) => {
    const tensor = tensors.get(name);
    return tensor?.dtype === 'float32' && tensor.data.length === like[name].length;
  });
  if (progress === undefined || !sound) return undefined;
  const vector = (name: (typeof stateVectors)[number]): Float32Array => tensors.get(name)?.data as Float32Array;
  const { step, ...means } = progress;
  const [parameters, first, second] = [vector('parameters'), vector('first'), vector('second')];
  const [statistics, ranges, averages] = [vector('statistics'), vector('ranges'), vector('averages')];
  return { trainer: { step, parameters, first, second, statistics, ranges, averages }, ...means };
}

function sealOf(tensors: ReadonlyMap<string, Tensor>, progress = ''): string {
  const digests = [...tensors].map(([name, tensor]) => [name, digestBytes(tensorBytes(tensor))] as const);
  return digestJson('headgate-resume-seal', 1, { progress, tensors: Object.fromEntries(digests) });
}

type Progress = { readonly step: number } & Pick<ResumeState, 'lossSums' | 'epochs'>;

function progressOf(text: string | undefined): Progress | undefined {
  const value = parsed(text);
  if (!isJsonObject(value)) return undefined;
  const { step, lossSums, epochs } = value;
  if (typeof step !== 'number' || !Number.isInteger(step) || step < 0) return undefined;
  if (!isNumbers(lossSums) || !Array.isArray(epochs) || !epochs.every(isNumbers)) return undefined;
  return { step, lossSums, epochs };
}

function parsed(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}

function isNumbers(value: unknown): value is { readonly [name: string]: number } {
  return isJsonObject(value) && Object.values(value).every((item) => typeof item === 'number');
}
