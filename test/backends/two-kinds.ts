// A small model as somebody else would bring it, with a head that classifies the image and one that regresses a map, and the
// tiny data with targets for both.
import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import type { Dataset } from '../../src/data/dataset.ts';
import { writePackedDataset } from '../../src/data/packed-dataset.ts';
import { GraphBuilder } from '../../src/qat/onnx/builder.ts';
import { encodeModel } from '../../src/qat/onnx/codec.ts';
import { int, ints } from '../../src/qat/onnx/ir.ts';
import type { JsonObject } from '../../src/support/json.ts';
import { Random } from '../../src/support/random.ts';
import { BOX_CLASSES, SIZE, tinyDataset } from './tiny-data.ts';
import type { WorkerRig } from './worker-rig.ts';

const CHANNELS = 8;
export const STRIDE = 2;

/** The class of the brightest square, and how bright every pixel is from 0 to 1. */
export const twoKinds: { readonly [task in 'kind' | 'brightness']: JsonObject } = {
  kind: {
    name: 'kind',
    head: 'kind',
    target: 'kind',
    stride: 1,
    loss: { kind: 'cross-entropy' },
    metric: { kind: 'classification', topK: [2] },
  },
  brightness: {
    name: 'brightness',
    head: 'brightness',
    target: 'brightness',
    stride: STRIDE,
    loss: { kind: 'l1' },
    metric: { kind: 'regression', unit: 'cd' },
  },
};

/** @returns the outputs of its import. */
export async function importTwoKinds(rig: WorkerRig): Promise<{ readonly [port: string]: string }> {
  const onnx = join(rig.root, 'two-kinds.onnx');
  await writeFile(onnx, encodeModel(twoKindsGraph()));
  return rig.outputs({
    kind: 'import',
    settings: {
      boundary: ['features'],
      heads: { kind: { outputs: ['kind.out'] }, brightness: { outputs: ['brightness.out'] } },
      tasks: [
        { name: 'kind', head: 'kind' },
        { name: 'brightness', head: 'brightness' },
      ],
    },
    inputs: { onnx },
  });
}

function twoKindsGraph() {
  const random = new Random(11);
  const b = new GraphBuilder('m');
  const weight = (name: string, shape: readonly number[], fanIn: number): string => {
    const size = shape.reduce((product, of) => product * of, 1);
    const data = Float32Array.from({ length: size }, () => random.normal() * Math.sqrt(2 / fanIn));
    b.initializers.set(name, { dtype: 'float32', shape, data });
    return name;
  };
  const stem = b.emit(
    'Conv',
    ['image', weight('stem.weight', [CHANNELS, 1, 3, 3], 9), weight('stem.bias', [CHANNELS], 50)],
    {
      kernel_shape: ints([3, 3]),
      strides: ints([STRIDE, STRIDE]),
      pads: ints([1, 1, 1, 1]),
    },
  );
  b.emit('Relu', [stem], {}, { outputs: ['features'] });
  const hidden = b.emit('Relu', [
    b.emit('Conv', ['features', weight('kind.conv.weight', [12, CHANNELS, 3, 3], 9 * CHANNELS)], {
      kernel_shape: ints([3, 3]),
      pads: ints([1, 1, 1, 1]),
    }),
  ]);
  const pooled = b.emit('Flatten', [b.emit('GlobalAveragePool', [hidden])], { axis: int(1) });
  const gemm = ['kind.weight', 'kind.bias'].map((name, at) =>
    weight(name, at === 0 ? [3, 12] : [3], at === 0 ? 12 : 50),
  );
  b.emit('Gemm', [pooled, ...gemm], { transB: int(1) }, { outputs: ['kind.out'] });
  const dense = ['brightness.weight', 'brightness.bias'].map((name, at) =>
    weight(name, at === 0 ? [1, CHANNELS, 1, 1] : [1], at === 0 ? CHANNELS : 50),
  );
  b.emit('Conv', ['features', ...dense], {}, { outputs: ['brightness.out'] });
  return b.finish({
    name: 'two-kinds',
    opset: 18,
    inputs: [{ name: 'image', dtype: 'float32', shape: ['N', 1, SIZE, SIZE] }],
    outputs: [
      { name: 'kind.out', dtype: 'float32' },
      { name: 'brightness.out', dtype: 'float32' },
    ],
  });
}

/** @returns the packed data set's folder. */
export async function writeTwoKindsData(rig: WorkerRig, split: string, count: number, seed: number): Promise<string> {
  const folder = join(rig.root, `two-kinds-${split}`);
  await writePackedDataset(folder, withTwoKinds(tinyDataset(split, count, seed)));
  return folder;
}

/** The tiny data with targets for both heads. */
export function withTwoKinds(tiny: Dataset): Dataset {
  const boxes = tiny.targets.get('boxes');
  if (boxes?.kind !== 'boxes') throw new Error('the tiny data has boxes');
  // Two boxes an image: [image, class, …] twice.
  const classOf = (image: number, box: number): number => boxes.rows[image * 12 + box * 6 + 1] as number;
  const labels = Int32Array.from({ length: tiny.count }, (_, image) => Math.max(classOf(image, 0), classOf(image, 1)));
  const brightness = Float32Array.from(tiny.images, (byte) => byte / 255);
  return {
    ...tiny,
    targets: new Map([
      ['kind', { kind: 'class' as const, classes: BOX_CLASSES, values: labels }],
      ['brightness', { kind: 'values' as const, classes: ['light'], shape: [1, SIZE, SIZE], values: brightness }],
    ]),
  };
}
