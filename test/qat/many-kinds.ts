// A network of every kind of layer and activation, with a neck, shared scales and post-processing behind the heads.
import type { ScopeNames } from '../../src/qat/network/network.ts';
import { GraphBuilder } from '../../src/qat/onnx/builder.ts';
import { float, int, ints, text } from '../../src/qat/onnx/ir.ts';
import type { GraphIr } from '../../src/qat/onnx/ir.ts';
import { elementCount } from '../../src/support/tensor.ts';
import { Random } from '../../src/support/random.ts';
import { SIZE } from './networks.ts';

export const MANY_SCOPES: ScopeNames = {
  backbone: { boundary: ['trunk'] },
  necks: { neck: { boundary: ['up'] } },
  heads: {
    dense: { outputs: ['dense.out'], parent: 'neck' },
    sharp: { outputs: ['sharp.out'], parent: 'neck' },
    vector: { outputs: ['vector.out'] },
  },
};

/** Normalised input, Conv + SiLU, residual, spelled HardSwish, grouped ConvTranspose + BN, PRelu, Concat, Gemm, MatMul, tail. */
export function manyKinds(): GraphIr {
  const b = new GraphBuilder('m');
  const random = new Random(5);
  const weight = (name: string, shape: readonly number[], scale = 0.4): string => {
    const data = Float32Array.from({ length: elementCount(shape) }, () => scale * random.normal());
    b.initializers.set(name, { dtype: 'float32', shape, data });
    return name;
  };
  const norm = (input: string, name: string, channels: number): string => {
    const positive = weight(`${name}.variance`, [channels]);
    b.initializers.set(positive, {
      dtype: 'float32',
      shape: [channels],
      data: Float32Array.from({ length: channels }, () => 0.5 + random.uniform()),
    });
    const inputs = [
      input,
      weight(`${name}.gamma`, [channels], 1),
      weight(`${name}.beta`, [channels]),
      weight(`${name}.mean`, [channels]),
      positive,
    ];
    return b.emit('BatchNormalization', inputs, { epsilon: float(1e-5) });
  };
  const pads = { pads: ints([1, 1, 1, 1]), kernel_shape: ints([3, 3]) };
  const shifted = b.emit('Sub', [b.emit('Mul', ['image', b.scalar(0.5)]), b.scalar(0.1)]);
  const stem = b.emit('Conv', [shifted, weight('stem.w', [8, 3, 3, 3]), weight('stem.b', [8])], pads);
  const silu = b.emit('Mul', [stem, b.emit('Sigmoid', [stem])]);
  const branch = norm(b.emit('Conv', [silu, weight('branch.w', [8, 8, 3, 3], 0.2)], pads), 'branch', 8);
  const residual = b.emit('Relu', [b.emit('Add', [branch, silu])]);
  const plain = b.emit('Conv', [residual, weight('plain.w', [8, 8, 1, 1]), weight('plain.b', [8])]);
  const gate = b.emit('Div', [
    b.emit('Clip', [b.emit('Add', [plain, b.scalar(3)]), b.scalar(0), b.scalar(6)]),
    b.scalar(6),
  ]);
  b.emit('Mul', [plain, gate], {}, { outputs: ['trunk'] });
  const up = b.emit('ConvTranspose', ['trunk', weight('up.w', [8, 3, 2, 2])], {
    strides: ints([2, 2]),
    kernel_shape: ints([2, 2]),
    group: int(2),
  });
  const sloped = b.emit('PRelu', [norm(up, 'up', 6), weight('slope', [6, 1, 1], 0.1)]);
  const resized = b.emit('Resize', ['trunk', '', b.floats([1, 1, 2, 2])], { mode: text('linear') });
  const capped = b.emit('Clip', [b.emit('Conv', [resized, weight('side.w', [6, 8, 1, 1])]), b.scalar(0), b.scalar(6)]);
  b.emit('Concat', [sloped, capped], { axis: int(1) }, { outputs: ['up'] });
  b.emit('Conv', ['up', weight('dense.w', [2, 12, 1, 1]), weight('dense.b', [2])], {}, { outputs: ['dense.out'] });
  const tanh = b.emit('Tanh', [b.emit('Conv', ['up', weight('sharp.w', [4, 12, 1, 1])])]);
  b.emit('Conv', [tanh, weight('sharp.last', [2, 4, 1, 1])], {}, { outputs: ['sharp.out'] });
  const pooled = b.emit('Flatten', [b.emit('GlobalAveragePool', ['trunk'])]);
  const hidden = b.emit('LeakyRelu', [
    b.emit('Gemm', [pooled, weight('fc.w', [10, 8]), weight('fc.b', [10])], { transB: int(1) }),
  ]);
  const product = b.emit('MatMul', [
    b.emit('LayerNormalization', [hidden, weight('ln.g', [10]), weight('ln.b', [10])]),
    weight('mm.w', [10, 4]),
  ]);
  b.emit('Add', [product, weight('mm.b', [4])], {}, { outputs: ['vector.out'] });
  b.emit('ArgMax', ['vector.out'], { axis: int(1) }, { outputs: ['class'] });
  return b.finish({
    name: 'kinds',
    opset: 18,
    inputs: [{ name: 'image', dtype: 'float32', shape: ['N', 3, SIZE, SIZE] }],
    outputs: [
      { name: 'dense.out', dtype: 'float32' },
      { name: 'class', dtype: 'int64', shape: ['N', 1] },
    ],
  });
}
