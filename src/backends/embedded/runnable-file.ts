// Model files that end in operators of another runtime (plug-ins of a device, behind the heads): what of them runs here.
import { decodeModel, encodeModel } from '../../qat/onnx/codec.ts';
import type { GraphIr, IrNode } from '../../qat/onnx/ir.ts';
import { runnablePart, unknownOperators } from '../../qat/onnx/unknown-operators.ts';
import type { JobContext } from './job-context.ts';

/** The file itself where onnxruntime has all of its operators. @param graph what it decodes to. */
export async function runnableFile(bytes: Uint8Array, graph: GraphIr = decodeModel(bytes)): Promise<Uint8Array> {
  const part = await runnablePart(graph);
  return part === graph ? bytes : encodeModel(part, { outputTypes: 'inferred' });
}

/** Says which nodes are carried along without being run. */
export async function noteCarried(context: JobContext, nodes: readonly IrNode[], opset: number): Promise<void> {
  for (const { name, domain, op } of await unknownOperators(nodes, opset)) {
    const text = `node "${name}" (${domain}.${op}) is carried along behind the heads; onnxruntime does not have it, so that nothing after it is run or proven here`;
    context.emit({ type: 'note', level: 'warning', text });
  }
}
