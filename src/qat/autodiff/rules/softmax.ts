// Softmax and LogSoftmax over one axis (opset 13 and later).
import { intOf } from '../../onnx/ir.ts';
import type { RuleTable } from '../rule.ts';
import { pointwise } from './slopes.ts';
import type { Pointwise } from './slopes.ts';

export const softmaxRules: RuleTable = {
  /** dx = y·(dy − Σ dy·y) */
  Softmax: pointwise((parts) => {
    const { b, y, dy } = parts;
    return b.emit('Mul', [y, b.emit('Sub', [dy, sumAlong(parts, b.emit('Mul', [dy, y]))])]);
  }),
  /** dx = dy − softmax·Σ dy */
  LogSoftmax: pointwise((parts) => {
    const { b, y, dy } = parts;
    return b.emit('Sub', [dy, b.emit('Mul', [b.emit('Exp', [y]), sumAlong(parts, dy)])]);
  }),
};

function sumAlong({ b, node }: Pointwise, value: string): string {
  return b.reduceSum(value, [intOf(node, 'axis', -1)], true);
}
