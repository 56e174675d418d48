// The exported file in the integer runtime with its optimisations on, as it comes or with int8 activations left as they are,
// and the graph that the runtime made of it.
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { countIntegerKernels } from '../../qat/export/integer-kernels.ts';
import type { KernelCount } from '../../qat/export/integer-kernels.ts';
import { decodeModel, OnnxError } from '../../qat/onnx/codec.ts';
import type { GraphIr } from '../../qat/onnx/ir.ts';
import { createSession, RuntimeError } from '../../qat/runtime/onnxruntime.ts';
import type { Session, SessionOptions } from '../../qat/runtime/onnxruntime.ts';
import type { JobContext } from './job-context.ts';

/** What a program has to set where the default session refuses a file. */
export const INT8_OPTION = 'session.qdqisint8allowed';

export interface IntegerSession {
  readonly session: Session;
  /** Why the session is not the default one: the runtime's words. Undefined where it is, or where int8 was asked for. */
  readonly refusal?: string;
}

export interface IntegerRuntime extends IntegerSession {
  /** Of the layers that a head's output is computed by; null, after a warning, where the runtime's graph cannot be read. */
  kernelsOf(output: string): KernelCount | null;
}

export async function startIntegerRuntime(
  context: JobContext,
  bytes: Uint8Array,
  threads: number,
  int8Activations: boolean,
): Promise<IntegerRuntime> {
  const path = join(context.outDir, 'optimised.onnx');
  const options = { threads, optimisedModelPath: path };
  const started = int8Activations
    ? { session: await createSession(bytes, { ...options, optimisation: 'all', int8Activations }) }
    : await startIntegerSession(context, bytes, options);
  const written = await readFile(path);
  // Of this machine: no output of the stage.
  await rm(path);
  const graph = readOptimised(context, written);
  return { ...started, kernelsOf: (output) => (graph === undefined ? null : countIntegerKernels(graph, output)) };
}

/**
 * The session that a program gets by default; where the runtime refuses that, with a warning the one with int8 activations.
 * @throws RuntimeError with the first refusal when it refuses both.
 */
export async function startIntegerSession(
  context: JobContext,
  bytes: Uint8Array,
  options: Pick<SessionOptions, 'threads' | 'optimisedModelPath'>,
): Promise<IntegerSession> {
  const usual = { ...options, optimisation: 'all' } as const;
  try {
    return { session: await createSession(bytes, usual) };
  } catch (cause) {
    if (!(cause instanceof RuntimeError)) throw cause;
    const session = await createSession(bytes, { ...usual, int8Activations: true }).catch(() => {
      throw cause;
    });
    const text = `onnxruntime's default session refuses the file: ${cause.message} Measured with ${INT8_OPTION}=1, which a program that loads it has to set too`;
    context.emit({ type: 'note', level: 'warning', text });
    return { session, refusal: cause.message };
  }
}

function readOptimised(context: JobContext, bytes: Uint8Array): GraphIr | undefined {
  try {
    return decodeModel(bytes);
  } catch (cause) {
    if (!(cause instanceof OnnxError)) throw cause;
    const text = `integer kernels were not counted: the runtime's own graph cannot be read (${cause.message})`;
    context.emit({ type: 'note', level: 'warning', text });
    return undefined;
  }
}
