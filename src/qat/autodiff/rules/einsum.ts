// Einsum: an operand's gradient is the Einsum of the output's gradient with the other operands, to that operand's indices.
// An index that only this operand has was summed away: its gradient is stretched. A repeated index (diagonal) is refused.
import type { GraphBuilder } from '../../onnx/builder.ts';
import { text, textOf } from '../../onnx/ir.ts';
import { sumToShape } from '../broadcast.ts';
import { GradientError } from '../rule.ts';
import type { BackwardContext, GradientRule } from '../rule.ts';

interface Equation {
  /** Index letters of every operand and of the result; an ellipsis is spelled out in letters of its own. */
  readonly operands: readonly string[];
  readonly result: string;
  readonly sizes: ReadonlyMap<string, number>;
}

export const einsum: GradientRule = {
  kind: 'gradient',
  backward: (context) => {
    const { b, node, shapeOf, upstream, wanted } = context;
    const dy = upstream[0];
    if (dy === undefined) return [];
    const equation = readEquation(context);
    return node.inputs.map((input, index) => {
      if (wanted[index] !== true) return undefined;
      const others = node.inputs.flatMap((name, other) =>
        other === index ? [] : [[name, equation.operands[other]] as const],
      );
      const target = equation.operands[index] as string;
      if (new Set(target).size < target.length)
        throw new GradientError(node, `operand ${index} repeats an index in "${textOf(node, 'equation', '')}"`);
      const available = new Set([...equation.result, ...others.flatMap(([, letters]) => [...(letters as string)])]);
      const kept = [...target].filter((letter) => available.has(letter)).join('');
      const from = [equation.result, ...others.map(([, letters]) => letters)].join(',');
      const found = b.emit('Einsum', [dy, ...others.map(([name]) => name)], { equation: text(`${from}->${kept}`) });
      return fitted(b, found, target, available, equation.sizes, shapeOf(input));
    });
  },
};

/** Stretches indices that were summed away, and sums those that the operand held with size 1. */
function fitted(
  b: GraphBuilder,
  found: string,
  target: string,
  available: ReadonlySet<string>,
  sizes: ReadonlyMap<string, number>,
  shape: readonly number[],
): string {
  const full = [...target].map((letter) => sizes.get(letter) as number);
  if ([...target].every((letter) => available.has(letter))) return sumToShape(b, found, full, shape);
  const thin = b.reshape(
    found,
    [...target].map((letter) => (available.has(letter) ? (sizes.get(letter) as number) : 1)),
  );
  return sumToShape(b, b.emit('Expand', [thin, b.int64(full)]), full, shape);
}

const ELLIPSIS_LETTERS = 'ZYXWVUTSRQPONMLKJIHGFEDCBA';

function readEquation({ node, shapeOf }: BackwardContext): Equation {
  const written = textOf(node, 'equation', '').replaceAll(' ', '');
  const [left, right] = written.split('->') as [string, string | undefined];
  const free = [...ELLIPSIS_LETTERS].filter((letter) => !written.includes(letter));
  const terms = left.split(',');
  const spans = terms.map((term, index) =>
    term.includes('...') ? shapeOf(node.inputs[index] as string).length - (term.length - 3) : 0,
  );
  const widest = Math.max(0, ...spans);
  // Aligned on the right, as broadcasting is.
  const spelled = (span: number): string =>
    free
      .slice(0, widest)
      .reverse()
      .slice(widest - span)
      .join('');
  const operands = terms.map((term, index) => term.replace('...', spelled(spans[index] as number)));
  const sizes = new Map<string, number>();
  operands.forEach((letters, index) => {
    const shape = shapeOf(node.inputs[index] as string);
    [...letters].forEach((letter, axis) => sizes.set(letter, Math.max(sizes.get(letter) ?? 1, shape[axis] as number)));
  });
  const result = right === undefined ? spelled(widest) + implicit(terms) : right.replace('...', spelled(widest));
  return { operands, result, sizes };
}

/** Without an arrow: the letters that occur once, in alphabetical order. */
function implicit(terms: readonly string[]): string {
  const letters = [...terms.join('').replaceAll('.', '')];
  return letters
    .filter((letter) => letters.indexOf(letter) === letters.lastIndexOf(letter))
    .sort()
    .join('');
}
