// Values that depend on constants alone become initializers.
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { foldConstants } from '../../../src/qat/onnx/fold-constants.ts';
import { int } from '../../../src/qat/onnx/ir.ts';
import type { GraphIr } from '../../../src/qat/onnx/ir.ts';

function graphOf(fill: (b: GraphBuilder) => void): GraphIr {
  const b = new GraphBuilder();
  fill(b);
  return b.finish({
    name: 'g',
    opset: 18,
    inputs: [{ name: 'x', dtype: 'float32' }],
    outputs: [{ name: 'y', dtype: 'float32' }],
  });
}

describe('folding constants', () => {
  it('gives a parameter behind an Identity its own values, through several of them', async () => {
    const { nodes, initializers } = await foldConstants(
      graphOf((b) => {
        const shared = b.floats([1, 2]);
        b.emit('Identity', [shared], {}, { outputs: ['first'] });
        b.emit('Identity', ['first'], {}, { outputs: ['second'] });
        b.emit('Add', ['x', 'second'], {}, { outputs: ['y'] });
      }),
    );
    expect(nodes.map(({ op }) => op)).toEqual(['Add']);
    expect(initializers.get('second')).toEqual({ dtype: 'float32', shape: [2], data: Float32Array.of(1, 2) });
  });

  it('joins constants along the first axis, of floats and of integers', async () => {
    const { nodes, initializers } = await foldConstants(
      graphOf((b) => {
        b.emit('Concat', [b.floats([1, 1]), b.floats([2, 3])], { axis: int(0) }, { outputs: ['scales'] });
        b.emit('Concat', [b.int64([4]), b.int64([5, 6])], { axis: int(0) }, { outputs: ['shape'] });
        const rows = b.floats([1, 2], [1, 2]);
        b.emit('Concat', [rows, b.floats([3, 4, 5, 6], [2, 2])], { axis: int(0) }, { outputs: ['matrix'] });
      }),
    );
    expect(nodes).toEqual([]);
    expect(initializers.get('scales')?.data).toEqual(Float32Array.of(1, 1, 2, 3));
    expect(initializers.get('shape')?.data).toEqual(BigInt64Array.of(4n, 5n, 6n));
    expect(initializers.get('matrix')).toEqual({
      dtype: 'float32',
      shape: [3, 2],
      data: Float32Array.of(1, 2, 3, 4, 5, 6),
    });
  });

  it('computes whatever reads constants only, and leaves alone what reads an input or draws numbers', async () => {
    const { nodes, initializers } = await foldConstants(
      graphOf((b) => {
        const rows = b.floats([1, 2], [1, 2]);
        b.emit('Transpose', [rows], {}, { outputs: ['turned'] });
        b.emit('Equal', [rows, rows], {}, { outputs: ['truth'] });
        b.emit('RandomUniformLike', [rows], {}, { outputs: ['drawn'] });
        b.emit('Concat', [rows, 'x'], { axis: int(0) }, { outputs: ['y'] });
      }),
    );
    expect(nodes.map(({ op }) => op)).toEqual(['RandomUniformLike', 'Concat']);
    expect(initializers.get('turned')).toEqual({ dtype: 'float32', shape: [2, 1], data: Float32Array.of(1, 2) });
    expect(initializers.get('truth')?.dtype).toBe('bool');
  });
});
