// `exportQdq`: a quantised network as QDQ ONNX. Run unoptimised, the file computes exactly `validationForward`.
import { exportQdq as writeQdq } from '../export/qdq.ts';
import type { QdqModel, QdqOpset } from '../export/qdq.ts';
import { buildReference } from '../network/reference.ts';
import { encodeModel } from '../onnx/codec.ts';
import { createSession } from '../runtime/onnxruntime.ts';
import { zeros } from '../../support/tensor.ts';
import type { Quantised } from './calibrate.ts';

export interface ExportOptions {
  /** 'qdq': int32 biases, integer kernels in onnxruntime; 'tensorrt': symmetric int8, float biases. By default qdq. */
  readonly form?: 'qdq' | 'tensorrt';
  /** Of form 'qdq'; by default 21, and 20 for 8 bits where operators only move values. */
  readonly opset?: QdqOpset;
}

/**
 * @returns the graph, whose outputs have the names of the float model's, and the table of all scales.
 * @throws ExportError for a format without an ONNX type, or for TensorRT where a scope was prepared for another target.
 */
export async function exportQdq(
  { network, scopes }: Quantised,
  { form = 'qdq', opset }: ExportOptions = {},
): Promise<QdqModel> {
  const outputs = Object.values(network.scopes.heads).flatMap((head) => head.outputs);
  const graph = buildReference(network, { scopes, outputs, batch: 1 });
  const session = await createSession(encodeModel(graph), { threads: 1, optimisation: 'disabled' });
  const found = await session.run(new Map([[network.input.name, zeros([1, ...network.input.shape])]]));
  await session.release();
  // Whatever the batch: the file's first dimension is free.
  const shapes = new Map(outputs.map((value) => [value, found.get(`out.${value}`)?.shape.slice(1) ?? []]));
  return writeQdq(network, scopes, shapes, form, opset);
}
