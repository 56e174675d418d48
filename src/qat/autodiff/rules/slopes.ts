// What most elementwise rules are: dx = dy · f'(x), with f' written in x and y. Not a rule itself.
import type { GraphBuilder } from '../../onnx/builder.ts';
import { int } from '../../onnx/ir.ts';
import type { IrNode } from '../../onnx/ir.ts';
import type { GradientRule, RuleContext } from '../rule.ts';

export interface Pointwise {
  readonly b: GraphBuilder;
  readonly node: IrNode;
  readonly x: string;
  readonly y: string;
  readonly dy: string;
}

/** A rule of one differentiable input; `back` gives dx. */
export function pointwise(back: (parts: Pointwise) => string, lower?: (context: RuleContext) => void): GradientRule {
  return {
    kind: 'gradient',
    ...(lower === undefined ? {} : { lower }),
    backward: ({ b, node, upstream: [dy] }) =>
      dy === undefined ? [] : [back({ b, node, x: node.inputs[0] as string, y: node.outputs[0] as string, dy })],
  };
}

/** 1 where the condition holds, else 0, in float32. */
export function ones(b: GraphBuilder, condition: string): string {
  return b.emit('Cast', [condition], { to: int(1) });
}

/** value² */
export function square(b: GraphBuilder, value: string): string {
  return b.emit('Mul', [value, value]);
}

/** 1 − value */
export function oneMinus(b: GraphBuilder, value: string): string {
  return b.emit('Sub', [b.scalar(1), value]);
}
