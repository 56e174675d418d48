// Which of a model's layers run as integer kernels, read off the graph that a runtime made of it. Operator names are those of
// onnxruntime; where it fused nothing, a layer is a float operator between a dequantiser and a quantiser.
import type { GraphIr, IrNode } from '../onnx/ir.ts';

/** A type, so that it is plain JSON to the compiler too. */
export type KernelCount = {
  /** Layers with an integer kernel. */
  readonly integer: number;
  /** Convolutions and matrix products, integer ones included. */
  readonly layers: number;
};

const integerKernels: ReadonlySet<string> = new Set([
  'QLinearConv',
  'ConvInteger',
  'QLinearMatMul',
  'MatMulInteger',
  'MatMulIntegerToFloat',
  'QGemm',
]);

const floatKernels: ReadonlySet<string> = new Set([
  'Conv',
  'FusedConv',
  'NhwcFusedConv',
  'ConvTranspose',
  'MatMul',
  'FusedMatMul',
  'Gemm',
  'FusedGemm',
]);

/** Of the layers that `output` is computed by. */
export function countIntegerKernels({ nodes }: GraphIr, output: string): KernelCount {
  const producer = new Map<string, IrNode>();
  for (const node of nodes) for (const value of node.outputs) producer.set(value, node);
  const reached = new Set<IrNode>();
  const values = [output];
  while (values.length > 0) {
    const node = producer.get(values.pop() as string);
    if (node === undefined || reached.has(node)) continue;
    reached.add(node);
    values.push(...node.inputs);
  }
  const ops = [...reached].map(({ op }) => op);
  const integer = ops.filter((op) => integerKernels.has(op)).length;
  return { integer, layers: integer + ops.filter((op) => floatKernels.has(op)).length };
}
