// Inputs of zeros for running a graph to learn its shapes.
import { elementCount } from '../../support/tensor.ts';
import type { Tensor } from '../../support/tensor.ts';
import type { GraphIr } from './ir.ts';

/** @param batch of every input, whatever it declares; left out: as declared, one where it is free. Other free sizes are one. */
export function zerosForInputs(graph: GraphIr, batch?: number): ReadonlyMap<string, Tensor> {
  return new Map(
    graph.inputs.map(({ name, dtype, shape = [] }) => {
      const sizes = shape.map((size, axis) => {
        if (axis === 0 && batch !== undefined) return batch;
        return typeof size === 'number' ? size : 1;
      });
      const count = elementCount(sizes);
      const tensor: Tensor =
        dtype === 'int64'
          ? { dtype, shape: sizes, data: new BigInt64Array(count) }
          : dtype === 'uint8'
            ? { dtype, shape: sizes, data: new Uint8Array(count) }
            : { dtype: 'float32', shape: sizes, data: new Float32Array(count) };
      return [name, tensor];
    }),
  );
}
