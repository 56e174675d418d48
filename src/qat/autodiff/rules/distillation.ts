// `headgate.SoftTargets(logits [N, C, …], teacher [N, C, …])`: T²·KL(softmax(teacher/T) ‖ softmax(logits/T)), the mean over all
// places (Hinton et al. 2015), T the attribute `temperature`. No gradient to the teacher.
import { floatOf, int } from '../../onnx/ir.ts';
import type { IrNode } from '../../onnx/ir.ts';
import type { GraphBuilder } from '../../onnx/builder.ts';
import { elementCount } from '../../../support/tensor.ts';
import type { GradientRule } from '../rule.ts';

export const softTargets: GradientRule = {
  kind: 'gradient',
  lower: ({ b, node, shapeOf }) => {
    const { student, teacher, temperature, places } = partsOf(b, node, shapeOf(node.inputs[0] as string));
    const gap = b.emit('Sub', [teacher, student]);
    const sum = b.emit('ReduceSum', [b.emit('Mul', [b.emit('Exp', [teacher]), gap])], { keepdims: int(0) });
    b.emit('Mul', [sum, b.scalar(temperature ** 2 / places)], {}, { outputs: node.outputs });
  },
  backward: ({ b, node, shapeOf, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const { student, teacher, temperature, places } = partsOf(b, node, shapeOf(node.inputs[0] as string));
    const gap = b.emit('Sub', [b.emit('Exp', [student]), b.emit('Exp', [teacher])]);
    return [b.emit('Mul', [gap, b.emit('Mul', [dy, b.scalar(temperature / places)])])];
  },
};

/** Logarithms of both distributions. */
function partsOf(b: GraphBuilder, node: IrNode, shape: readonly number[]) {
  const temperature = floatOf(node, 'temperature', 1);
  const [student, teacher] = node.inputs.map((logits) =>
    b.emit('LogSoftmax', [b.emit('Mul', [logits, b.scalar(1 / temperature)])], { axis: int(1) }),
  ) as [string, string];
  return { student, teacher, temperature, places: elementCount(shape) / (shape[1] as number) };
}
