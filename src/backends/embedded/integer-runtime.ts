// The exported file in the integer runtime with its optimisations on, as it comes or with int8 activations left as they are,
// and the graph that the runtime made of it.
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { countIntegerKernels } from '../../qat/export/integer-kernels.ts';
import type { KernelCount } from '../../qat/export/integer-kernels.ts';
import { decodeModel, OnnxError } from '../../qat/onnx/codec.ts';
import type { GraphIr } from '../../qat/onnx/ir.ts';
import { createSession } from '../../qat/runtime/onnxruntime.ts';
import type { Session } from '../../qat/runtime/onnxruntime.ts';
import type { JobContext } from './job-context.ts';

export interface IntegerRuntime {
  readonly session: Session;
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
  const options = { threads, optimisation: 'all', optimisedModelPath: path, int8Activations } as const;
  const session = await createSession(bytes, options);
  const written = await readFile(path);
  // Of this machine: no output of the stage.
  await rm(path);
  const graph = readOptimised(context, written);
  return { session, kernelsOf: (output) => (graph === undefined ? null : countIntegerKernels(graph, output)) };
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
