// Model files that end in operators of another runtime (plug-ins of a device, behind the heads): what of them runs here.
import { decodeModel, encodeModel } from '../../qat/onnx/codec.ts';
import type { GraphIr, IrNode } from '../../qat/onnx/ir.ts';
import { runnablePart, unknownOperators } from '../../qat/onnx/unknown-operators.ts';
import type { JobContext } from './job-context.ts';

export interface Runnable {
  readonly file: Uint8Array;
  readonly outputs: readonly string[];
}

/** The file itself where onnxruntime has all of its operators. @param graph what it decodes to. */
export async function runnableOf(bytes: Uint8Array, graph: GraphIr): Promise<Runnable> {
  const part = await runnablePart(graph);
  const file = part === graph ? bytes : encodeModel(part, { outputTypes: 'inferred' });
  return { file, outputs: part.outputs.map(({ name }) => name) };
}

export async function runnableFile(bytes: Uint8Array, graph: GraphIr = decodeModel(bytes)): Promise<Uint8Array> {
  return (await runnableOf(bytes, graph)).file;
}

/** Says which nodes are carried along without being run. */
export async function noteCarried(context: JobContext, nodes: readonly IrNode[], opset: number): Promise<void> {
  for (const { name, domain, op } of await unknownOperators(nodes, opset)) {
    const text = `node "${name}" (${domain}.${op}) is carried along behind the heads; onnxruntime does not have it, so that nothing after it is run or proven here`;
    context.emit({ type: 'note', level: 'warning', text });
  }
}
