// The derivative of a graph's weighed outputs along a direction, from forward runs only: neither PyTorch nor a rule takes part.
// Five points, error h⁴/30 · f⁽⁵⁾ (Abramowitz and Stegun 25.3.6): with h = 2⁻⁵ what is left is the rounding of the float32
// forward. Sums are taken in float64.
import { lower } from '../../../src/qat/autodiff/differentiate.ts';
import { encodeModel } from '../../../src/qat/onnx/codec.ts';
import type { GraphIr } from '../../../src/qat/onnx/ir.ts';
import { createSession } from '../../../src/qat/runtime/onnxruntime.ts';
import { TRAINING_OPSET } from '../../../src/qat/network/reference.ts';
import { Random } from '../../../src/support/random.ts';
import type { FloatTensor, Tensor } from '../../../src/support/tensor.ts';
import { nodeOf, reference, shapesOf, start, weighed } from './operator-cases.ts';
import type { OperatorCase } from './operator-cases.ts';

/** Largest move of an element is 2h; the generator keeps inputs further than that from kinks. */
const H = 2 ** -5;

export interface Derivative {
  /** What the central difference says. */
  readonly found: number;
  /** ⟨gradient, direction⟩ for the gradient that is checked. */
  readonly expected: number;
  /** ‖gradient‖, the size that `expected` has in a typical direction. */
  readonly size: number;
}

/**
 * Largest allowed |found − expected|, of the size of the gradient. Each of the four forward sums carries float32 rounding, some
 * 1e-7 of its terms, and dividing by 12h makes 3e-6 of it; terms may be a hundred times larger than their slopes. A single
 * wrong element of a gradient of 100 would show as 0.1.
 */
const TOLERANCE = 1e-3;

export function allowed({ size }: Derivative): number {
  return TOLERANCE * Math.max(size, 1e-3);
}

export interface Forward {
  readonly graph: GraphIr;
  readonly feeds: ReadonlyMap<string, Tensor>;
  /** Fed inputs that are moved. */
  readonly wanted: readonly string[];
  /** What is differentiated, of the graph's outputs. */
  valueOf(outputs: ReadonlyMap<string, Tensor>): number;
}

/** Along one random direction of ±1 for each differentiated input, the others held. */
export async function derivativesOf(
  { graph, feeds, wanted, valueOf }: Forward,
  gradients: ReadonlyMap<string, Tensor>,
  seed: number,
): Promise<ReadonlyMap<string, Derivative>> {
  const random = new Random(seed);
  const session = await createSession(encodeModel(graph), { threads: 1, optimisation: 'disabled' });
  const found = new Map<string, Derivative>();
  for (const input of wanted) {
    const at = feeds.get(input) as FloatTensor;
    const direction = Array.from(at.data, () => (random.uniform() < 0.5 ? -1 : 1));
    const gradient = (gradients.get(input)?.data ?? new Float32Array(at.data.length)) as Float32Array;
    const value = async (steps: number): Promise<number> => {
      const moved = Float32Array.from(at.data, (x, index) => x + steps * H * (direction[index] as number));
      return valueOf(await session.run(new Map(feeds).set(input, { ...at, data: moved })));
    };
    const outer = (await value(2)) - (await value(-2));
    const inner = (await value(1)) - (await value(-1));
    found.set(input, {
      found: (8 * inner - outer) / (12 * H),
      expected: gradient.reduce((sum, slope, index) => sum + slope * (direction[index] as number), 0),
      size: Math.hypot(...gradient),
    });
  }
  await session.release();
  return found;
}

/** Of an operator's weighed outputs. */
export async function derivatives(
  test: OperatorCase,
  gradients: ReadonlyMap<string, Tensor>,
  seed: number,
): Promise<ReadonlyMap<string, Derivative>> {
  const { b, feeds } = start(test);
  lower(b, [nodeOf(test)], await shapesOf(test));
  const graph = b.finish({
    name: 'forward',
    opset: TRAINING_OPSET,
    inputs: [...feeds].map(([name, { dtype, shape }]) => ({ name, dtype, shape })),
    outputs: weighed(test).map((name) => ({ name, dtype: 'float32' })),
  });
  const weights = new Map(weighed(test).map((output) => [output, reference(test, `upstream.${output}`)]));
  const { wanted } = test;
  return derivativesOf({ graph, feeds, wanted, valueOf: (outputs) => weighedSum(weights, outputs) }, gradients, seed);
}

/** Σ weight · value over every output that has weights, in float64. */
export function weighedSum(weights: ReadonlyMap<string, Tensor>, outputs: ReadonlyMap<string, Tensor>): number {
  let total = 0;
  for (const [output, { data }] of weights) {
    const values = outputs.get(output)?.data as Float32Array;
    for (const [index, value] of values.entries()) total += Number(data[index]) * value;
  }
  return total;
}
