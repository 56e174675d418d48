// Heads whose layers share weights, normalise another axis than their channels, or have one bias for all channels: each once
// went wrong without a word, or might have. Every network's outputs are "one" and, where there are two, "two".
import { int, ints } from '../../src/qat/onnx/ir.ts';
import { FEATURES, BOUNDARY } from './one-backbone.ts';
import type { HeadWriter } from './one-backbone.ts';

type Write = (heads: HeadWriter) => { readonly one: readonly string[]; readonly two?: readonly string[] };

/** Both outputs in one head, so that what they share lies in one scope. */
const both = { one: ['one', 'two'] };

/** γ of the one batch norm is sixteen times that of the other, so that one scale cannot serve both. */
const [LARGE, SMALL] = [
  { gamma: Array.from({ length: FEATURES }, () => 8) },
  { gamma: Array.from({ length: FEATURES }, () => 0.5) },
];

function pooled2(heads: HeadWriter): string {
  return heads.b.emit('MaxPool', [BOUNDARY], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) });
}

/** [N, 6, FEATURES]: six places of the image, each a row of channels. */
function rows(heads: HeadWriter): string {
  const { b } = heads;
  const flat = b.emit('Reshape', [BOUNDARY, b.int64([0, FEATURES, -1])]);
  const turned = b.emit('Transpose', [flat], { perm: ints([0, 2, 1]) });
  return b.emit('Slice', [turned, b.int64([0]), b.int64([6]), b.int64([1])]);
}

function last(heads: HeadWriter, name: string, value: string): void {
  heads.output(name, heads.conv(heads.relu(value), heads.weight([4, FEATURES, 1, 1]), [], { pad: 0 }));
}

export const sharedWeights: { readonly [what: string]: Write } = {
  'one weight under two batch norms': (heads) => {
    const [weight, bias] = [heads.weight([FEATURES, FEATURES, 3, 3]), heads.weight([FEATURES])];
    last(heads, 'one', heads.batchNorm(heads.conv(BOUNDARY, weight, [bias]), FEATURES, LARGE));
    last(heads, 'two', heads.batchNorm(heads.conv(pooled2(heads), weight, [bias]), FEATURES, SMALL));
    return both;
  },
  'one weight with a batch norm and without': (heads) => {
    const [weight, bias] = [heads.weight([FEATURES, FEATURES, 3, 3]), heads.weight([FEATURES])];
    last(heads, 'one', heads.conv(BOUNDARY, weight, [bias]));
    last(heads, 'two', heads.batchNorm(heads.conv(pooled2(heads), weight, [bias]), FEATURES, LARGE));
    return both;
  },
  'one weight and one batch norm, but two biases': (heads) => {
    const weight = heads.weight([FEATURES, FEATURES, 3, 3]);
    const first = heads.conv(BOUNDARY, weight, [heads.weight([FEATURES], 3)]);
    const normed = heads.batchNorm(first, FEATURES);
    const parameters = heads.b.nodes.at(-1)?.inputs.slice(1) ?? [];
    const second = heads.conv(pooled2(heads), weight, [heads.weight([FEATURES], 3)]);
    last(heads, 'one', normed);
    last(heads, 'two', heads.b.emit('BatchNormalization', [second, ...parameters]));
    return both;
  },
  'one matrix read transposed and not': (heads) => {
    const square = heads.weight([FEATURES, FEATURES]);
    const grown = heads.b.emit('Mul', [square, heads.values([0.02, 0.1, 0.5, 1, 2, 4, 8, 16], [FEATURES, 1])]);
    const vector = heads.pooled(BOUNDARY);
    const one = heads.relu(heads.b.emit('MatMul', [vector, grown]));
    const two = heads.relu(heads.b.emit('Gemm', [vector, grown], { transB: int(1) }));
    heads.output('one', heads.b.emit('MatMul', [one, heads.weight([FEATURES, 4])]));
    heads.output('two', heads.b.emit('MatMul', [two, heads.weight([FEATURES, 4])]));
    return both;
  },
  'one weight under one batch norm, used twice': (heads) => {
    const weight = heads.weight([FEATURES, FEATURES, 3, 3]);
    const first = heads.batchNorm(heads.conv(BOUNDARY, weight), FEATURES);
    const parameters = heads.b.nodes.at(-1)?.inputs.slice(1) ?? [];
    const second = heads.conv(heads.relu(first), weight);
    last(heads, 'one', heads.b.emit('BatchNormalization', [second, ...parameters]));
    return { one: ['one'] };
  },
  'one batch norm after two weights': (heads) => {
    const first = heads.batchNorm(heads.conv(BOUNDARY, heads.weight([FEATURES, FEATURES, 3, 3])), FEATURES);
    const parameters = heads.b.nodes.at(-1)?.inputs.slice(1) ?? [];
    const second = heads.conv(heads.relu(first), heads.weight([FEATURES, FEATURES, 3, 3]), [heads.weight([FEATURES])]);
    last(heads, 'one', heads.b.emit('BatchNormalization', [second, ...parameters]));
    return { one: ['one'] };
  },
};

export const normalisedAxes: { readonly [what: string]: Write } = {
  'a product of three axes, as many rows as channels': (heads) => {
    const product = heads.b.emit('MatMul', [rows(heads), heads.weight([FEATURES, 6])]);
    const normed = heads.batchNorm(product, 6, { gamma: [0.1, 0.25, 0.63, 1.6, 4, 10] });
    heads.output('one', heads.b.emit('MatMul', [normed, heads.weight([6, 4])]));
    return { one: ['one'] };
  },
  'a product of three axes with a bias': (heads) => {
    const product = heads.b.emit('MatMul', [rows(heads), heads.weight([FEATURES, 6])]);
    const biased = heads.b.emit('Add', [product, heads.weight([6])]);
    const normed = heads.batchNorm(biased, 6, { gamma: [0.1, 0.25, 0.63, 1.6, 4, 10] });
    heads.output('one', heads.b.emit('MatMul', [heads.relu(normed), heads.weight([6, 4])]));
    return { one: ['one'] };
  },
  'a product of two axes': (heads) => {
    const product = heads.b.emit('MatMul', [heads.pooled(BOUNDARY), heads.weight([FEATURES, 6])]);
    const normed = heads.batchNorm(product, 6, { gamma: [0.1, 0.25, 0.63, 1.6, 4, 10] });
    heads.output('one', heads.b.emit('MatMul', [heads.relu(normed), heads.weight([6, 4])]));
    return { one: ['one'] };
  },
  'a Gemm with transB': (heads) => {
    const operands = [heads.pooled(BOUNDARY), heads.weight([6, FEATURES]), heads.weight([6])];
    const product = heads.b.emit('Gemm', operands, { transB: int(1) });
    const normed = heads.batchNorm(product, 6, { gamma: [0.1, 0.25, 0.63, 1.6, 4, 10] });
    heads.output('one', heads.b.emit('Gemm', [heads.relu(normed), heads.weight([6, 4])]));
    return { one: ['one'] };
  },
  'a transposed convolution in groups': (heads) => {
    const attributes = { group: int(2), strides: ints([2, 2]) };
    const grown = heads.b.emit('ConvTranspose', [BOUNDARY, heads.weight([FEATURES, 3, 2, 2])], attributes);
    const normed = heads.batchNorm(grown, 6, { gamma: [0.1, 0.25, 0.63, 1.6, 4, 10] });
    heads.output('one', heads.conv(heads.relu(normed), heads.weight([4, 6, 1, 1]), [], { pad: 0 }));
    return { one: ['one'] };
  },
  'a batch norm before the layer': (heads) => {
    last(
      heads,
      'one',
      heads.conv(heads.batchNorm(BOUNDARY, FEATURES, LARGE), heads.weight([FEATURES, FEATURES, 3, 3])),
    );
    return { one: ['one'] };
  },
  'a batch norm of one channel': (heads) => {
    const product = heads.conv(BOUNDARY, heads.weight([1, FEATURES, 3, 3]), [heads.weight([1])]);
    const normed = heads.batchNorm(product, 1, { gamma: [5] });
    heads.output('one', heads.conv(heads.relu(normed), heads.weight([4, 1, 1, 1]), [], { pad: 0 }));
    return { one: ['one'] };
  },
};

/** The larger, the more a missing or wrong one shows. */
const ONE_BIAS = [3.7];

export const oneBias: { readonly [what: string]: Write } = {
  'a Gemm': (heads) => {
    const operands = [heads.pooled(BOUNDARY), heads.weight([FEATURES, 6]), heads.values(ONE_BIAS)];
    heads.output('one', heads.b.emit('Gemm', [heads.relu(heads.b.emit('Gemm', operands)), heads.weight([6, 4])]));
    return { one: ['one'] };
  },
  'a Gemm under a batch norm': (heads) => {
    const operands = [heads.pooled(BOUNDARY), heads.weight([6, FEATURES]), heads.values(ONE_BIAS)];
    const normed = heads.batchNorm(heads.b.emit('Gemm', operands, { transB: int(1) }), 6);
    heads.output('one', heads.b.emit('Gemm', [heads.relu(normed), heads.weight([6, 4])]));
    return { one: ['one'] };
  },
  'a Gemm of one output': (heads) => {
    const operands = [heads.pooled(BOUNDARY), heads.weight([FEATURES, 1]), heads.values(ONE_BIAS)];
    heads.output('one', heads.b.emit('Gemm', [heads.relu(heads.b.emit('Gemm', operands)), heads.weight([1, 4])]));
    return { one: ['one'] };
  },
  'a MatMul': (heads) => {
    const product = heads.b.emit('MatMul', [rows(heads), heads.weight([FEATURES, 6])]);
    const biased = heads.relu(heads.b.emit('Add', [product, heads.values(ONE_BIAS)]));
    heads.output('one', heads.b.emit('MatMul', [biased, heads.weight([6, 4])]));
    return { one: ['one'] };
  },
  'a MatMul under a batch norm': (heads) => {
    const product = heads.b.emit('MatMul', [heads.pooled(BOUNDARY), heads.weight([FEATURES, 6])]);
    const normed = heads.batchNorm(heads.b.emit('Add', [heads.values(ONE_BIAS), product]), 6);
    heads.output('one', heads.b.emit('MatMul', [heads.relu(normed), heads.weight([6, 4])]));
    return { one: ['one'] };
  },
  'a MatMul whose one channel the bias widens': (heads) => {
    const product = heads.b.emit('MatMul', [heads.pooled(BOUNDARY), heads.weight([FEATURES, 1])]);
    const widened = heads.relu(heads.b.emit('Add', [product, heads.weight([6], 3)]));
    heads.output('one', heads.b.emit('MatMul', [widened, heads.weight([6, 4])]));
    return { one: ['one'] };
  },
  'a convolution with an Add of one value': (heads) => {
    const product = heads.conv(BOUNDARY, heads.weight([FEATURES, FEATURES, 3, 3]));
    last(heads, 'one', heads.b.emit('Add', [product, heads.values(ONE_BIAS)]));
    return { one: ['one'] };
  },
  'a convolution with an Add of [C, 1, 1] before its batch norm': (heads) => {
    const product = heads.conv(BOUNDARY, heads.weight([FEATURES, FEATURES, 3, 3]));
    const biased = heads.b.emit('Add', [product, heads.weight([FEATURES, 1, 1], 3)]);
    last(heads, 'one', heads.batchNorm(biased, FEATURES, LARGE));
    return { one: ['one'] };
  },
  'a Gemm with a scalar': (heads) => {
    const operands = [heads.pooled(BOUNDARY), heads.weight([FEATURES, 6]), heads.values(ONE_BIAS, [])];
    heads.output('one', heads.b.emit('Gemm', [heads.relu(heads.b.emit('Gemm', operands)), heads.weight([6, 4])]));
    return { one: ['one'] };
  },
  'a Gemm with one value in two axes': (heads) => {
    const operands = [heads.pooled(BOUNDARY), heads.weight([FEATURES, 6]), heads.values(ONE_BIAS, [1, 1])];
    heads.output('one', heads.b.emit('Gemm', [heads.relu(heads.b.emit('Gemm', operands)), heads.weight([6, 4])]));
    return { one: ['one'] };
  },
};
