// Many small tensors as one flat vector, so that the optimiser is a handful of nodes and a step passes few tensors.
import type { FloatTensor } from '../../support/tensor.ts';
import { elementCount, floatTensor } from '../../support/tensor.ts';
import type { GraphBuilder } from '../onnx/builder.ts';
import { int } from '../onnx/ir.ts';

export interface Slot {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface Layout {
  readonly slots: readonly Slot[];
  readonly length: number;
}

/** The slots one after another. */
export function layoutOf(slots: readonly Slot[]): Layout {
  return { slots, length: slots.reduce((sum, slot) => sum + elementCount(slot.shape), 0) };
}

/** @throws Error when a slot has no value. */
export function pack(layout: Layout, values: ReadonlyMap<string, FloatTensor>): Float32Array {
  const flat = new Float32Array(layout.length);
  let offset = 0;
  for (const slot of layout.slots) {
    const tensor = values.get(slot.name);
    if (tensor === undefined) throw new Error(`"${slot.name}" has no value`);
    flat.set(tensor.data, offset);
    offset += tensor.data.length;
  }
  return flat;
}

/** The inverse of `pack`: copies, by name. */
export function unpack(layout: Layout, flat: Float32Array): ReadonlyMap<string, FloatTensor> {
  const values = new Map<string, FloatTensor>();
  let offset = 0;
  for (const slot of layout.slots) {
    const size = elementCount(slot.shape);
    values.set(slot.name, floatTensor(slot.shape, flat.slice(offset, offset + size)));
    offset += size;
  }
  return values;
}

/** Emits one Split of the flat value and a Reshape for each slot that is no vector. */
export function emitUnpack(b: GraphBuilder, layout: Layout, flat: string): ReadonlyMap<string, string> {
  const sizes = layout.slots.map((slot) => elementCount(slot.shape));
  if (sizes.length === 0) return new Map();
  const pieces =
    sizes.length === 1
      ? [flat]
      : b.emitAll('Split', [flat, b.int64(sizes)], { axis: int(0) }, { outputs: sizes.length });
  return new Map(
    layout.slots.map(({ name, shape }, index) => {
      const piece = pieces[index] as string;
      return [name, shape.length === 1 ? piece : b.reshape(piece, shape)];
    }),
  );
}

/** Emits the flat vector of the slots' values, in the layout's order. */
export function emitPack(b: GraphBuilder, layout: Layout, valueOf: (slot: Slot) => string): string {
  const pieces = layout.slots.map((slot) => {
    const value = valueOf(slot);
    return slot.shape.length === 1 ? value : b.reshape(value, [elementCount(slot.shape)]);
  });
  return pieces.length === 1 ? (pieces[0] as string) : b.emit('Concat', pieces, { axis: int(0) });
}
