// Elementwise arithmetic of several inputs. Broadcast axes are summed by the walk, not here.
import type { GraphBuilder } from '../../onnx/builder.ts';
import type { GradientRule, RuleTable } from '../rule.ts';
import { ones } from './slopes.ts';

const add: GradientRule = {
  kind: 'gradient',
  broadcasts: true,
  backward: ({ node, upstream: [dy] }) => node.inputs.map(() => dy),
};

const sub: GradientRule = {
  kind: 'gradient',
  broadcasts: true,
  backward: ({ b, upstream: [dy], wanted }) => [
    dy,
    wanted[1] === true && dy !== undefined ? b.emit('Neg', [dy]) : undefined,
  ],
};

const mul: GradientRule = {
  kind: 'gradient',
  broadcasts: true,
  backward: ({ b, node, upstream: [dy], wanted }) => {
    const [left, right] = node.inputs as [string, string];
    if (dy === undefined) return [];
    return [
      wanted[0] === true ? b.emit('Mul', [dy, right]) : undefined,
      wanted[1] === true ? b.emit('Mul', [dy, left]) : undefined,
    ];
  },
};

const div: GradientRule = {
  kind: 'gradient',
  broadcasts: true,
  backward: ({ b, node, upstream: [dy], wanted }) => {
    const right = node.inputs[1] as string;
    if (dy === undefined) return [];
    const scaled = b.emit('Div', [dy, right]);
    const quotient = node.outputs[0] as string;
    return [scaled, wanted[1] === true ? b.emit('Neg', [b.emit('Mul', [scaled, quotient])]) : undefined];
  },
};

const mean: GradientRule = {
  kind: 'gradient',
  broadcasts: true,
  backward: ({ b, node, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const share = node.inputs.length === 1 ? dy : b.emit('Mul', [dy, b.scalar(1 / node.inputs.length)]);
    return node.inputs.map(() => share);
  },
};

/** Max and Min: to the input that was taken; among equal ones in equal shares, as PyTorch's maximum does. */
const extreme: GradientRule = {
  kind: 'gradient',
  broadcasts: true,
  backward: ({ b, node, upstream: [dy], wanted }) => {
    if (dy === undefined) return [];
    if (node.inputs.length === 1) return [dy];
    const taken = node.inputs.map((input) => ones(b, b.emit('Equal', [input, node.outputs[0] as string])));
    const share = b.emit('Div', [dy, b.emit('Sum', taken)]);
    return taken.map((mask, index) => (wanted[index] === true ? b.emit('Mul', [share, mask]) : undefined));
  },
};

/** d(xᵖ)/dx = p·xᵖ⁻¹, 0 where p = 0; d(xᵖ)/dp = xᵖ·log x, taken as 0 where x ≤ 0 (PyTorch: NaN below 0). */
const pow: GradientRule = {
  kind: 'gradient',
  broadcasts: true,
  backward: ({ b, node, upstream: [dy], wanted }) => {
    if (dy === undefined) return [];
    const [x, exponent] = node.inputs as [string, string];
    const known = b.initializers.get(exponent);
    // An exponent may be an integer; computed ones are cast in case.
    const p = known?.dtype === 'float32' ? exponent : b.emit('Cast', [exponent], { to: { kind: 'int', value: 1 } });
    return [
      wanted[0] === true ? b.emit('Mul', [dy, baseSlope(b, x, p, known?.data)]) : undefined,
      wanted[1] === true
        ? b.emit('Mul', [dy, b.emit('Mul', [node.outputs[0] as string, logWherePositive(b, x)])])
        : undefined,
    ];
  },
};

function baseSlope(b: GraphBuilder, x: string, p: string, known: ArrayLike<number | bigint> | undefined): string {
  const values = known === undefined ? [] : Array.from(known, Number);
  if (values.length > 0 && values.every((value) => value === 2)) return b.emit('Mul', [x, b.scalar(2)]);
  const slope = b.emit('Mul', [p, b.emit('Pow', [x, b.emit('Sub', [p, b.scalar(1)])])]);
  if (values.length > 0 && !values.includes(0)) return slope;
  return b.emit('Where', [b.emit('Equal', [p, b.scalar(0)]), b.scalar(0), slope]);
}

function logWherePositive(b: GraphBuilder, x: string): string {
  return b.emit('Log', [b.emit('Where', [b.emit('Greater', [x, b.scalar(0)]), x, b.scalar(1)])]);
}

const where: GradientRule = {
  kind: 'gradient',
  broadcasts: true,
  backward: ({ b, node, upstream: [dy], wanted }) => {
    if (dy === undefined) return [];
    const condition = node.inputs[0] as string;
    return [
      undefined,
      wanted[1] === true ? b.emit('Where', [condition, dy, b.scalar(0)]) : undefined,
      wanted[2] === true ? b.emit('Where', [condition, b.scalar(0), dy]) : undefined,
    ];
  },
};

/** Passes inside and at the limits, as PyTorch's clamp; a limit gets what it held back. */
const clip: GradientRule = {
  kind: 'gradient',
  broadcasts: true,
  backward: ({ b, node, upstream: [dy], wanted }) => {
    if (dy === undefined) return [];
    const [x, min, max] = node.inputs as [string, string, string];
    return [
      wanted[0] === true ? b.emit('Mul', [dy, ones(b, b.emit('Equal', [x, node.outputs[0] as string]))]) : undefined,
      wanted[1] === true ? b.emit('Where', [b.emit('Less', [x, min]), dy, b.scalar(0)]) : undefined,
      wanted[2] === true ? b.emit('Where', [b.emit('Greater', [x, max]), dy, b.scalar(0)]) : undefined,
    ];
  },
};

export const arithmeticRules: RuleTable = {
  Add: add,
  Sub: sub,
  Mul: mul,
  Div: div,
  Sum: add,
  Mean: mean,
  Max: extreme,
  Min: extreme,
  Pow: pow,
  Where: where,
  Clip: clip,
};
