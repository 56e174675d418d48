// Elementwise operators. Broadcast axes are summed by the walk, not here.
import { int } from '../../onnx/ir.ts';
import type { GradientRule } from '../rule.ts';

const FLOAT = int(1);

export const add: GradientRule = { kind: 'gradient', backward: ({ upstream: [dy] }) => [dy, dy] };

export const sub: GradientRule = {
  kind: 'gradient',
  backward: ({ b, upstream: [dy], wanted }) => [
    dy,
    wanted[1] === true && dy !== undefined ? b.emit('Neg', [dy]) : undefined,
  ],
};

export const mul: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, upstream: [dy], wanted }) => {
    const [left, right] = node.inputs as [string, string];
    if (dy === undefined) return [];
    return [
      wanted[0] === true ? b.emit('Mul', [dy, right]) : undefined,
      wanted[1] === true ? b.emit('Mul', [dy, left]) : undefined,
    ];
  },
};

export const div: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, upstream: [dy], wanted }) => {
    const right = node.inputs[1] as string;
    if (dy === undefined) return [];
    const scaled = b.emit('Div', [dy, right]);
    const quotient = node.outputs[0] as string;
    return [scaled, wanted[1] === true ? b.emit('Neg', [b.emit('Mul', [scaled, quotient])]) : undefined];
  },
};

export const relu: GradientRule = {
  kind: 'gradient',
  // PyTorch's choice at 0: no gradient.
  backward: ({ b, node, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const open = b.emit('Cast', [b.emit('Greater', [node.outputs[0] as string, b.scalar(0)])], { to: FLOAT });
    return [b.emit('Mul', [dy, open])];
  },
};

export const sigmoid: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const y = node.outputs[0] as string;
    return [b.emit('Mul', [dy, b.emit('Mul', [y, b.emit('Sub', [b.scalar(1), y])])])];
  },
};

export const identity: GradientRule = { kind: 'gradient', backward: ({ upstream: [dy] }) => [dy] };

export const reshape: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream: [dy] }) =>
    dy === undefined ? [] : [b.reshape(dy, shapeOf(node.inputs[0] as string))],
};
