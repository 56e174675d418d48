// Masks put together: the same bits, one product where two were.
import { describe, expect, it } from 'vitest';
import { mergeMasks } from '../../../src/qat/autodiff/merge-masks.ts';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { int } from '../../../src/qat/onnx/ir.ts';
import type { Tensor } from '../../../src/support/tensor.ts';
import { runBuilder } from '../graphs.ts';

const values = Float32Array.of(1.5, -2, -0, 0, 3e-40, Infinity, -Infinity, NaN, 7, -8, 4, -1);
const input = (name: string): readonly [string, Tensor] => [
  name,
  { dtype: 'float32', shape: [2, 6], data: name === 'dy' ? values : values.slice().reverse() },
];

/** dy through `count` masks of x, each at another threshold. */
function masked(count: number): { readonly b: GraphBuilder; readonly y: string; readonly inner: readonly string[] } {
  const b = new GraphBuilder();
  const products: string[] = ['dy'];
  for (let index = 0; index < count; index++) {
    const mask = b.emit('Greater', ['x', b.scalar(index - 1)]);
    products.push(b.emit('Mul', [products.at(-1) as string, b.emit('Cast', [mask], { to: int(1) })]));
  }
  return { b, y: products.at(-1) as string, inner: products.slice(1, -1) };
}

async function bitsOf(b: GraphBuilder, wanted: string): Promise<Buffer> {
  const results = await runBuilder(b, new Map([input('dy'), input('x')]), [wanted], { optimisation: 'all' });
  const { data } = results.get(wanted) as Tensor;
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

describe('merging masks', () => {
  it.each([2, 3])('keeps every bit of a gradient through %i masks and reads dy once', async (count) => {
    const before = await bitsOf(masked(count).b, masked(count).y);
    const { b, y } = masked(count);
    mergeMasks(b);
    expect(b.nodes.filter(({ inputs }) => inputs[0] === 'dy').map(({ op }) => op)).toContain('Mul');
    expect(b.nodes.find(({ outputs }) => outputs.includes(y))?.inputs[0]).toBe('dy');
    expect((await bitsOf(b, y)).equals(before)).toBe(true);
  });

  it('leaves a product alone that something else reads', async () => {
    const summed = () => {
      const made = masked(2);
      return { ...made, sum: made.b.emit('Add', [made.inner[0] as string, made.y]) };
    };
    const before = await bitsOf(summed().b, summed().sum);
    const { b, y, inner, sum } = summed();
    mergeMasks(b);
    expect(b.nodes.find(({ outputs }) => outputs.includes(y))?.inputs[0]).toBe(inner[0]);
    expect((await bitsOf(b, sum)).equals(before)).toBe(true);
  });

  it('leaves a product alone whose factor is no mask', () => {
    const b = new GraphBuilder();
    const rounded = b.emit('Cast', [b.emit('Cast', ['x'], { to: int(7) })], { to: int(1) });
    const y = b.emit('Mul', [b.emit('Mul', ['dy', rounded]), rounded]);
    const nodes = [...b.nodes];
    mergeMasks(b);
    expect(b.nodes).toEqual(nodes);
    expect(y).toBe(nodes.at(-1)?.outputs[0]);
  });
});
