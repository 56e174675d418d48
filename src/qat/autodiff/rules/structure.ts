// Operators that move values without computing on them: Concat, Resize (nearest).
import { intOf, textOf } from '../../onnx/ir.ts';
import type { GradientRule } from '../rule.ts';

export const concat: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream: [dy], wanted }) => {
    if (dy === undefined) return [];
    const rank = shapeOf(node.outputs[0] as string).length;
    const axis = (intOf(node, 'axis', 0) + rank) % rank;
    let start = 0;
    return node.inputs.map((input, index) => {
      const size = shapeOf(input)[axis] as number;
      const from = start;
      start += size;
      if (wanted[index] !== true) return undefined;
      return b.emit('Slice', [dy, b.int64([from]), b.int64([from + size]), b.int64([axis])]);
    });
  },
};

export const resize: GradientRule = {
  kind: 'gradient',
  // Nearest neighbour by whole factors: every source pixel collects its window.
  backward: ({ b, node, shapeOf, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const from = shapeOf(node.inputs[0] as string);
    const to = shapeOf(node.outputs[0] as string);
    const factor = [2, 3].map((axis) => (to[axis] as number) / (from[axis] as number)) as [number, number];
    if (textOf(node, 'mode', 'nearest') !== 'nearest' || !factor.every(Number.isInteger) || from.length !== 4) {
      throw new Error(`Resize "${node.name}": only nearest-neighbour enlargement by whole factors has a gradient`);
    }
    const [n, c, h, w] = from as [number, number, number, number];
    const windows = b.reshape(dy, [n, c, h, factor[0], w, factor[1]]);
    return [b.reduceSum(windows, [3, 5], false)];
  },
};
