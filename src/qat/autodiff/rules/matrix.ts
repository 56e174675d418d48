// Matrix products: MatMul (any ranks), Gemm, Einsum. com.microsoft's FusedMatMul transposes without a copy.
import type { GraphBuilder } from '../../onnx/builder.ts';
import { float, floatOf, int, intOf } from '../../onnx/ir.ts';
import { sumToShape } from '../broadcast.ts';
import { sizeOf } from '../rule.ts';
import type { GradientRule, RuleTable } from '../rule.ts';
import { einsum } from './einsum.ts';

const matMul: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream: [dy], wanted }) => {
    if (dy === undefined) return [];
    const [left, right] = node.inputs as [string, string];
    const [given, other] = [shapeOf(left), shapeOf(right)];
    // A vector on the left is a row, on the right a column.
    const a = given.length === 1 ? [1, ...given] : given;
    const w = other.length === 1 ? [...other, 1] : other;
    const [m, k, n] = [a.at(-2) as number, a.at(-1) as number, w.at(-1) as number];
    const out = shapeOf(node.outputs[0] as string);
    const batch = out.slice(0, out.length - (given.length === 1 ? 0 : 1) - (other.length === 1 ? 0 : 1));
    const dProduct = fitted(b, dy, out, [...batch, m, n]);
    const [aValue, wValue] = [fitted(b, left, given, a), fitted(b, right, other, w)];
    return [
      wanted[0] === true ? unfitted(b, fused(b, dProduct, wValue, 'transB'), [...batch, m, k], a, given) : undefined,
      wanted[1] === true ? rightGradient() : undefined,
    ];

    function rightGradient(): string {
      // One matrix for a whole batch: the batch is only more rows.
      if (w.length === 2 && batch.length === a.length - 2) {
        const rows = sizeOf(batch) * m;
        const [flat, dFlat] = [b.reshape(aValue, [rows, k]), b.reshape(dProduct, [rows, n])];
        return fitted(b, b.emit('Gemm', [flat, dFlat], { transA: int(1) }), w, other);
      }
      return unfitted(b, fused(b, aValue, dProduct, 'transA'), [...batch, k, n], w, other);
    }
  },
};

function fused(b: GraphBuilder, left: string, right: string, transposed: 'transA' | 'transB'): string {
  return b.emit('FusedMatMul', [left, right], { [transposed]: int(1) }, { domain: 'com.microsoft' });
}

function fitted(b: GraphBuilder, value: string, from: readonly number[], to: readonly number[]): string {
  return from.length === to.length ? value : b.reshape(value, to);
}

/** Summed over stretched batch axes, and a vector again where it was one. */
function unfitted(
  b: GraphBuilder,
  gradient: string,
  from: readonly number[],
  to: readonly number[],
  given: readonly number[],
): string {
  return fitted(b, sumToShape(b, gradient, from, to), to, given);
}

/** y = α·A'·B' + β·C, primes standing for the transpositions asked for. */
const gemm: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream: [dy], wanted }) => {
    if (dy === undefined) return [];
    const [a, w, c] = node.inputs as [string, string, string];
    const [transA, transB] = [intOf(node, 'transA', 0), intOf(node, 'transB', 0)];
    const alpha = float(floatOf(node, 'alpha', 1));
    const product = (left: string, right: string, leftTurned: number, rightTurned: number): string =>
      b.emit('Gemm', [left, right], { alpha, transA: int(leftTurned), transB: int(rightTurned) });
    const dA = (): string => (transA === 0 ? product(dy, w, 0, 1 - transB) : product(w, dy, transB, 1));
    const dW = (): string => (transB === 0 ? product(a, dy, 1 - transA, 0) : product(dy, a, 1, transA));
    const dC = (): string => {
      const beta = floatOf(node, 'beta', 1);
      const scaled = beta === 1 ? dy : b.emit('Mul', [dy, b.scalar(beta)]);
      return sumToShape(b, scaled, shapeOf(node.outputs[0] as string), shapeOf(c));
    };
    return [
      wanted[0] === true ? dA() : undefined,
      wanted[1] === true ? dW() : undefined,
      wanted[2] === true ? dC() : undefined,
    ];
  },
};

export const matrixRules: RuleTable = { MatMul: matMul, Gemm: gemm, Einsum: einsum };
