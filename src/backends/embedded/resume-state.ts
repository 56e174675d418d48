// The resume state of a training: everything that the next step depends on, in one safetensors file, replaced by rename.
// Data order needs no state: it follows from seed and epoch.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stateVectors } from '../../qat/train/trainer.ts';
import type { TrainerState } from '../../qat/train/trainer.ts';
import { writeFileAtomic } from '../../support/atomic-file.ts';
import { digestBytes, digestJson } from '../../support/digest.ts';
import { isJsonObject, type JsonObject } from '../../support/json.ts';
import { decodeSafetensors, encodeSafetensors } from '../../support/safetensors.ts';
import { floatTensor, tensorBytes, type Tensor } from '../../support/tensor.ts';
import { NO_HISTORY, type TrainingHistory } from './training-history.ts';
import { keptVectors, type WatchState } from './training-watch.ts';

export interface ResumeState {
  readonly trainer: TrainerState;
  /** Sums of each loss over the epoch so far, exact. */
  readonly lossSums: { readonly [loss: string]: number };
  /** Mean losses of the epochs that are done. */
  readonly epochs: readonly { readonly [loss: string]: number }[];
  /** The losses and validations of the training so far; empty for a state of the earlier form. */
  readonly watch: WatchState;
}

const FILE = 'state.safetensors';
const FORMAT = 'headgate-resume';

export async function saveResumeState(folder: string, state: ResumeState): Promise<void> {
  const tensors = new Map<string, Tensor>(
    stateVectors.map((name) => [name, floatTensor([state.trainer[name].length], state.trainer[name])]),
  );
  const { lossSums, epochs, watch } = state;
  const { best, history } = watch;
  if (best !== undefined)
    for (const name of keptVectors) tensors.set(`best.${name}`, floatTensor([best[name].length], best[name]));
  const told = { history, ...(best === undefined ? {} : { bestRecent: best.recent }) };
  const progress = JSON.stringify({ step: state.trainer.step, lossSums, epochs, watch: told });
  const metadata = { format: FORMAT, version: '4', progress, seal: sealOf(tensors, progress) };
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
  const { step, watch, ...means } = progress;
  const best = watch.bestRecent === undefined ? undefined : bestIn(tensors, like, watch.bestRecent);
  if (best === 'damaged') return undefined;
  const [parameters, first, second] = [vector('parameters'), vector('first'), vector('second')];
  const [statistics, ranges, averages] = [vector('statistics'), vector('ranges'), vector('averages')];
  return {
    trainer: { step, parameters, first, second, statistics, ranges, averages },
    ...means,
    watch: { history: watch.history, ...(best === undefined ? {} : { best }) },
  };
}

function bestIn(
  tensors: ReadonlyMap<string, Tensor>,
  like: TrainerState,
  recent: readonly number[],
): NonNullable<WatchState['best']> | 'damaged' {
  const vectors = keptVectors.map((name) => tensors.get(`best.${name}`));
  const sound = keptVectors.every((name, index) => vectors[index]?.data.length === like[name].length);
  const [parameters, statistics, ranges, averages] = vectors.map((tensor) => tensor?.data);
  if (
    !sound ||
    !(parameters instanceof Float32Array) ||
    !(statistics instanceof Float32Array) ||
    !(ranges instanceof Float32Array) ||
    !(averages instanceof Float32Array)
  )
    return 'damaged';
  return { parameters, statistics, ranges, averages, recent };
}

function sealOf(tensors: ReadonlyMap<string, Tensor>, progress = ''): string {
  const digests = [...tensors].map(([name, tensor]) => [name, digestBytes(tensorBytes(tensor))] as const);
  return digestJson('headgate-resume-seal', 1, { progress, tensors: Object.fromEntries(digests) });
}

type Progress = { readonly step: number } & Pick<ResumeState, 'lossSums' | 'epochs'> & {
    readonly watch: { readonly history: TrainingHistory; readonly bestRecent?: readonly number[] };
  };

function progressOf(text: string | undefined): Progress | undefined {
  const value = parsed(text);
  if (!isJsonObject(value)) return undefined;
  const { step, lossSums, epochs } = value;
  if (typeof step !== 'number' || !Number.isInteger(step) || step < 0) return undefined;
  if (!isNumbers(lossSums) || !Array.isArray(epochs) || !epochs.every(isNumbers)) return undefined;
  // The seal vouches for what is in it; an older state has no such field.
  const watch = isJsonObject(value['watch']) ? (value['watch'] as JsonObject & Progress['watch']) : undefined;
  return { step, lossSums, epochs, watch: watch ?? { history: NO_HISTORY } };
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
