// `headgate.Dice(logits [N, C, …], target)`: 1 − the mean over classes of (2·Σp·t + s)/(Σp + Σt + s), sums over the whole batch
// (Milletari et al. 2016, without squares), s the attribute `smooth`. p is the softmax over classes, or with the attribute
// `sigmoid` = 1 the sigmoid of each logit. Class numbers as targets: see dense-target.ts.
import { floatOf, int, intOf } from '../../onnx/ir.ts';
import type { IrNode } from '../../onnx/ir.ts';
import type { GraphBuilder } from '../../onnx/builder.ts';
import type { GradientRule } from '../rule.ts';
import { denseTarget } from './dense-target.ts';

export const dice: GradientRule = {
  kind: 'gradient',
  lower: ({ b, node, shapeOf }) => {
    const { over, under } = partsOf(b, node, shapeOf(node.inputs[0] as string));
    const mean = b.emit('ReduceMean', [b.emit('Div', [over, under])], { keepdims: int(0) });
    b.emit('Sub', [b.scalar(1), mean], {}, { outputs: node.outputs });
  },
  backward: ({ b, node, shapeOf, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const shape = shapeOf(node.inputs[0] as string);
    const { over, under, p, target, valid, sigmoid } = partsOf(b, node, shape);
    // d(over/under)/dp = (2·t·under − over)/under²
    const twice = b.emit('Mul', [b.emit('Mul', [target, under]), b.scalar(2)]);
    const ratio = b.emit('Div', [b.emit('Sub', [twice, over]), b.emit('Mul', [under, under])]);
    const share = b.emit('Mul', [dy, b.scalar(-1 / (shape[1] as number))]);
    const all = b.emit('Mul', [ratio, share]);
    const slope = valid === undefined ? all : b.emit('Mul', [all, valid]);
    const weighted = b.emit('Mul', [slope, p]);
    if (sigmoid) return [b.emit('Mul', [weighted, b.emit('Sub', [b.scalar(1), p])])];
    const mean = b.emit('ReduceSum', [weighted, b.int64([1])], { keepdims: int(1) });
    return [b.emit('Sub', [weighted, b.emit('Mul', [p, mean])])];
  },
};

function partsOf(b: GraphBuilder, node: IrNode, shape: readonly number[]) {
  const logits = node.inputs[0] as string;
  const sigmoid = intOf(node, 'sigmoid', 0) === 1;
  const { target, valid } = denseTarget(b, node, shape);
  const p = sigmoid ? b.emit('Sigmoid', [logits]) : b.emit('Softmax', [logits], { axis: int(1) });
  const axes = b.int64(shape.flatMap((_, axis) => (axis === 1 ? [] : [axis])));
  const summed = (value: string): string =>
    b.emit('ReduceSum', [valid === undefined ? value : b.emit('Mul', [value, valid]), axes], { keepdims: int(1) });
  const smooth = b.scalar(floatOf(node, 'smooth', 1));
  const both = b.emit('Mul', [summed(b.emit('Mul', [p, target])), b.scalar(2)]);
  const over = b.emit('Add', [both, smooth]);
  const under = b.emit('Add', [b.emit('Add', [summed(p), summed(target)]), smooth]);
  return { over, under, p, target, valid, sigmoid };
}
