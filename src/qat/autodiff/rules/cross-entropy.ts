// `headgate.CrossEntropy(logits [N, C, …], target int32 [N, …])`: mean of −log softmax(logits)[target] over the places whose
// target is not `ignore` (0 if there is none). As torch.nn.CrossEntropyLoss: with `class_weights` a weighted mean, with
// `label_smoothing` ε the target is 1 − ε at its class and ε/C spread over all.
import { floatOf, int, intOf } from '../../onnx/ir.ts';
import type { IrNode } from '../../onnx/ir.ts';
import type { GraphBuilder } from '../../onnx/builder.ts';
import type { GradientRule } from '../rule.ts';
import { oneHotTarget, perClass } from './dense-target.ts';

export const crossEntropy: GradientRule = {
  kind: 'gradient',
  lower: ({ b, node, shapeOf }) => {
    const { wanted, mass, valid, count, shifted, sum } = partsOf(b, node, shapeOf(node.inputs[0] as string));
    const logSum = b.emit('Log', [sum]);
    const reached = mass === undefined ? logSum : b.emit('Mul', [logSum, mass]);
    const picked = overClasses(b, b.emit('Mul', [wanted, shifted]));
    const each = b.emit('Mul', [b.emit('Sub', [reached, picked]), valid]);
    b.emit('Div', [b.emit('ReduceSum', [each], { keepdims: int(0) }), count], {}, { outputs: node.outputs });
  },
  backward: ({ b, node, shapeOf, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const { wanted, mass, valid, count, exp, sum } = partsOf(b, node, shapeOf(node.inputs[0] as string));
    const softmax = b.emit('Div', [exp, sum]);
    const reached = mass === undefined ? softmax : b.emit('Mul', [softmax, mass]);
    const weight = b.emit('Mul', [valid, b.emit('Div', [dy, count])]);
    return [b.emit('Mul', [b.emit('Sub', [reached, wanted]), weight])];
  },
};

interface Parts {
  /** Probabilities asked for, times class weights, [N, C, …]. */
  readonly wanted: string;
  /** Their sum over classes, [N, 1, …]; undefined where it is 1. */
  readonly mass: string | undefined;
  readonly valid: string;
  readonly count: string;
  readonly shifted: string;
  readonly exp: string;
  readonly sum: string;
}

function partsOf(b: GraphBuilder, node: IrNode, shape: readonly number[]): Parts {
  const [logits, target] = node.inputs as [string, string];
  const { oneHot, valid } = oneHotTarget(b, target, shape, intOf(node, 'ignore', 255));
  const shifted = b.emit('Sub', [logits, b.emit('ReduceMax', [logits, b.int64([1])], { keepdims: int(1) })]);
  const exp = b.emit('Exp', [shifted]);
  const common = { valid, shifted, exp, sum: overClasses(b, exp) };
  const smoothing = floatOf(node, 'label_smoothing', 0);
  const weights = node.attributes['class_weights'];
  if (smoothing === 0 && weights === undefined) {
    const count = b.emit('Max', [b.emit('ReduceSum', [valid], { keepdims: int(0) }), b.scalar(1)]);
    return { ...common, wanted: oneHot, mass: undefined, count };
  }
  const weight = perClass(b, weights?.kind === 'floats' ? weights.value : [1], shape);
  const weighted = b.emit('Mul', [oneHot, weight]);
  const spread = b.emit('Mul', [weight, b.scalar(smoothing / (shape[1] as number))]);
  const wanted = b.emit('Add', [b.emit('Mul', [weighted, b.scalar(1 - smoothing)]), spread]);
  const total = b.emit('ReduceSum', [b.emit('Mul', [weighted, valid])], { keepdims: int(0) });
  const count = b.emit('Where', [b.emit('Greater', [total, b.scalar(0)]), total, b.scalar(1)]);
  return { ...common, wanted, mass: overClasses(b, wanted), count };
}

function overClasses(b: GraphBuilder, value: string): string {
  return b.emit('ReduceSum', [value, b.int64([1])], { keepdims: int(1) });
}
