// Named tensors as one flat vector, in memory and in the graph.
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { emitPack, emitUnpack, layoutOf, pack, unpack } from '../../../src/qat/train/layout.ts';
import { floatTensor } from '../../../src/support/tensor.ts';
import { Random } from '../../../src/support/random.ts';
import { sameBits } from '../differences.ts';
import { randomTensor, runBuilder } from '../graphs.ts';

const slots = [
  { name: 'a', shape: [2, 3] },
  { name: 'b', shape: [] },
  { name: 'c', shape: [1, 4, 1] },
];
const values = new Map(slots.map(({ name, shape }, index) => [name, randomTensor(new Random(index), shape)]));

describe('a layout', () => {
  it('packs in its own order and unpacks to equal tensors that share nothing with the vector', () => {
    const layout = layoutOf(slots);
    expect(layout.length).toBe(11);
    const flat = pack(layout, new Map([...values].reverse()));
    const found = unpack(layout, flat);
    expect(found).toEqual(values);
    flat.fill(0);
    expect(found).toEqual(values);
  });

  it('names a value that is missing', () => {
    expect(() => pack(layoutOf(slots), new Map())).toThrow(/"a" has no value/);
  });

  it.each([
    ['several', slots],
    ['one', slots.slice(0, 1)],
  ])('does the same in the graph, with %s slots', async (_, used) => {
    const layout = layoutOf(used);
    const b = new GraphBuilder();
    const pieces = emitUnpack(b, layout, 'flat');
    const again = emitPack(b, layout, ({ name }) => pieces.get(name) as string);
    const flat = pack(layout, values);
    const results = await runBuilder(b, new Map([['flat', floatTensor([layout.length], flat)]]), [
      ...pieces.values(),
      again,
    ]);
    for (const { name, shape } of used) {
      const piece = results.get(pieces.get(name) as string);
      expect(piece?.shape).toEqual(shape);
      expect(sameBits(piece?.data as Float32Array, values.get(name)?.data as Float32Array)).toBe(true);
    }
    expect(sameBits(results.get(again)?.data as Float32Array, flat)).toBe(true);
  });

  it('is empty without slots', () => {
    expect(emitUnpack(new GraphBuilder(), layoutOf([]), 'flat').size).toBe(0);
    expect(pack(layoutOf([]), values)).toEqual(new Float32Array(0));
  });
});
