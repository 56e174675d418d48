// What calibration may do to a scope's weights before and after observing: equalisation and bias correction, each declared in
// the checkpoint, and the proof that nothing else of the float parent changed. The other scope is not read here at all.
import { join } from 'node:path';
import { compareTensors } from '../../qat/freeze/compare.ts';
import { BACKBONE } from '../../qat/network/network.ts';
import type { Network } from '../../qat/network/network.ts';
import type { ScopeForward } from '../../qat/network/reference.ts';
import type { ScopeCheckpoint } from '../../qat/quantize/checkpoint.ts';
import type { Placement } from '../../qat/quantize/placement.ts';
import { correctCheckpoint, equalisationProblem, equaliseCheckpoint } from '../../qat/transform/condition.ts';
import type { Tensor } from '../../support/tensor.ts';
import { readCheckpointFile } from './inputs.ts';
import type { JobContext } from './job-context.ts';
import { JobError } from './job-error.ts';

export interface Conditioned {
  readonly checkpoint: ScopeCheckpoint;
  /** Tensors that the declared transformations may have changed. */
  readonly touched: ReadonlySet<string>;
  /** For the report and the proof. */
  readonly words: readonly string[];
}

export function asLoaded(checkpoint: ScopeCheckpoint): Conditioned {
  return { checkpoint, touched: new Set(), words: [] };
}

/** A scope without a pair of layers to equalise is named in a warning. */
export function equalised(
  context: JobContext,
  network: Network,
  { checkpoint, touched, words }: Conditioned,
): Conditioned {
  const found = equaliseCheckpoint(network, checkpoint);
  if (found.pairs.length === 0)
    context.emit({
      type: 'note',
      level: 'warning',
      text: `nothing to equalise in "${checkpoint.scope}": no layer is read by one other layer alone, with nothing but a Relu between them`,
    });
  return {
    checkpoint: found.checkpoint,
    touched: new Set([...touched, ...found.touched]),
    words: [...words, `cross-layer equalisation of ${found.pairs.length} pairs`],
  };
}

/** Layers without a bias or a batch norm are named in a note. */
export function biasCorrected(
  context: JobContext,
  network: Network,
  { checkpoint, touched, words }: Conditioned,
  placement: Placement,
  scales: ReadonlyMap<string, Float32Array>,
  inputMeans: ReadonlyMap<string, Tensor>,
): Conditioned {
  const found = correctCheckpoint(network, checkpoint, placement, scales, inputMeans);
  if (found.skipped.length > 0)
    context.emit({
      type: 'note',
      level: 'info',
      text: `no bias of their own to correct, or padding that is not written out: ${found.skipped.join(', ')}`,
    });
  return {
    checkpoint: found.checkpoint,
    touched: new Set([...touched, ...found.touched]),
    words: [...words, `bias correction of ${found.corrected.length} layers`],
  };
}

/**
 * The written checkpoint is read back: its parameters are the float parent's, bit for bit, except where a declared
 * transformation may write.
 * @throws JobError 'weights-changed' naming the first tensor that has no reason to differ.
 */
export async function proveParent(
  context: JobContext,
  parent: ScopeCheckpoint,
  file: string,
  { touched, words }: Conditioned,
): Promise<void> {
  const written = await readCheckpointFile(join(context.outDir, file));
  const { differences, tensors } = compareTensors(parent.parameters, written.parameters);
  const stray = differences.find(({ tensor, index }) => !touched.has(tensor) || index < 0);
  if (stray !== undefined) {
    throw new JobError({
      reason: 'weights-changed',
      message: `calibration of "${parent.scope}" changed ${stray.tensor} (${stray.before} → ${stray.after}), which no declared transformation does`,
      details: { ...stray },
    });
  }
  if (words.length === 0) return;
  const text = `${parent.scope}: ${tensors - differences.length} of ${tensors} tensors bit-equal to the float parent, ${differences.length} changed by ${words.join(' and ')}`;
  context.emit({ type: 'proof', proof: { name: 'freeze', held: true, text } });
}

/** @throws JobError 'equalisation-differs' when the scope no longer computes what its float parent does. */
export async function proveFunction(
  network: Network,
  checkpoints: readonly [before: ScopeCheckpoint, after: ScopeCheckpoint],
  backbone: ScopeForward | undefined,
  images: Tensor,
  threads: number,
): Promise<void> {
  const below = new Map(backbone === undefined ? [] : [[BACKBONE, backbone] as const]);
  const message = await equalisationProblem(network, checkpoints, below, images, threads);
  if (message === undefined) return;
  throw new JobError({
    reason: 'equalisation-differs',
    message,
    remedy: 'Leave `equalise` out for this scope: its weights span more than float32 can rescale.',
  });
}
