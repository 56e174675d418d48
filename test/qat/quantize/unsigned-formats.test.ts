// Where a profile's `unsignedAfterRelu` gives unsigned formats: after every operator whose output cannot be negative, and after
// no other; an unsigned format after a difference would cut its negative half off. The graphs are placed, never run.
import { describe, expect, it } from 'vitest';
import { BACKBONE, recogniseNetwork } from '../../../src/qat/network/network.ts';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { int, ints, text } from '../../../src/qat/onnx/ir.ts';
import type { Attribute } from '../../../src/qat/onnx/ir.ts';
import { placeQuantizers } from '../../../src/qat/quantize/placement.ts';
import type { Profile } from '../../../src/qat/quantize/scheme.ts';

const profile: Profile = { weights: { bits: 8 }, activations: { bits: 8, unsignedAfterRelu: true } };

interface Operator {
  readonly op: string;
  /** By default the value under test alone. */
  readonly inputs?: readonly string[];
  readonly attributes?: { readonly [name: string]: Attribute };
}

/** Values to read: `it` is the one under test, `positive` follows a Relu, `signed` a convolution alone; the rest is constant. */
const constants: { readonly [name: string]: readonly number[] } = {
  above: [0, 0.5],
  below: [0.5, -0.5],
  zero: [0],
  minusOne: [-1],
  one: [1],
  grid: [-1, 1],
};
const shape = 'int64 shape';
const condition = 'condition';

const named = (op: string, ...inputs: readonly string[]): Operator => ({ op, inputs: ['it', ...inputs] });
const inMode = (op: string, mode: string, ...inputs: readonly string[]): Operator => ({
  ...named(op, ...inputs),
  attributes: { mode: text(mode) },
});

const moving: readonly Operator[] = [
  ...['Identity', 'Flatten', 'DepthToSpace', 'SpaceToDepth', 'MaxPool', 'GlobalMaxPool', 'Transpose'].map((op) =>
    named(op),
  ),
  ...['Reshape', 'Squeeze', 'Unsqueeze', 'Split', 'Gather', 'GatherElements', 'GatherND', 'Expand', 'Tile'].map((op) =>
    named(op, shape),
  ),
  ...['ReduceMax', 'ReduceMin', 'Pad'].map((op) => named(op, shape)),
  named('Pad', shape, 'zero'),
  inMode('Pad', 'reflect', shape),
  // A value that no constant is padded with.
  inMode('Pad', 'reflect', shape, 'minusOne'),
  named('Slice', shape, shape),
  inMode('Resize', 'nearest', '', 'one'),
  inMode('GridSample', 'nearest', 'grid'),
];

const averaging: readonly Operator[] = [
  named('AveragePool'),
  named('GlobalAveragePool'),
  named('ReduceMean', shape),
  named('ReduceSum', shape),
  inMode('Resize', 'linear', '', 'one'),
  inMode('GridSample', 'bilinear', 'grid'),
  inMode('GridSample', 'linear', 'grid'),
  named('Pad', shape, 'one'),
];

/** Cubic kernels have negative lobes: between two flat halves they undershoot the lower one. */
const cubic: readonly Operator[] = [
  inMode('Resize', 'cubic', '', 'one'),
  inMode('GridSample', 'bicubic', 'grid'),
  inMode('GridSample', 'cubic', 'grid'),
];

/** @param other a feature map or a constant beside the value under test. */
const joining = (other: string): readonly Operator[] => [
  ...['Add', 'Mul', 'Sum', 'Mean', 'Max', 'Min', 'Concat'].map((op) => named(op, other)),
  { op: 'Where', inputs: [condition, 'it', other] },
  named('ScatterND', shape, other),
  named('ScatterElements', shape, other),
];

/** Their results are bounded by nothing that is known here. */
const unbounded: readonly Operator[] = [
  ...['Sub', 'Div', 'Einsum'].map((op) => named(op, 'positive')),
  named('Sub', 'above'),
  ...['Neg', 'Log', 'Sin', 'Cos', 'LogSoftmax', 'LpNormalization'].map((op) => named(op)),
  ...['LayerNormalization', 'InstanceNormalization'].map((op) => named(op, 'above', 'above')),
];

const neverNegative: readonly Operator[] = [
  ...['Relu', 'Sigmoid', 'HardSigmoid', 'Softplus', 'Softmax', 'Exp', 'Abs', 'Sqrt'].map((op) => named(op)),
  named('Clip', 'zero', 'one'),
];

const eitherSign: readonly Operator[] = [
  ...['LeakyRelu', 'Tanh', 'HardSwish', 'Elu', 'Selu', 'Mish', 'Gelu', 'Erf', 'Reciprocal'].map((op) => named(op)),
  named('PRelu', 'above'),
  named('Pow', 'one'),
  named('Clip', 'minusOne', 'one'),
  named('Clip', '', 'one'),
];

const words = ({ op, inputs = [], attributes = {} }: Operator): string =>
  [op, ...Object.values(attributes).map(({ value }) => String(value as string)), `(${inputs.join(', ')})`].join(' ');
const rows = (...operators: readonly Operator[]) => operators.map((operator) => [words(operator), operator] as const);

describe('after a Relu, with unsigned formats allowed', () => {
  it.each(rows(...moving, ...averaging, ...joining('positive'), ...joining('above')))(
    '%s is unsigned',
    (_, operator) => {
      expect(isSigned(operator, 'positive')).toBe(false);
    },
  );

  it.each(rows(...cubic, ...unbounded, ...joining('below'), ...joining('signed'), named('Pad', shape, 'minusOne')))(
    '%s is signed',
    (_, operator) => {
      expect(isSigned(operator, 'positive')).toBe(true);
    },
  );
});

describe.each(['signed', 'difference'])('after a value of either sign (%s), with unsigned formats allowed', (value) => {
  it.each(rows(...neverNegative))('%s is unsigned', (_, operator) => {
    expect(isSigned(operator, value)).toBe(false);
  });

  it.each(rows(...moving, ...averaging, ...cubic, ...joining('positive'), ...unbounded, ...eitherSign))(
    '%s is signed',
    (_, operator) => {
      expect(isSigned(operator, value)).toBe(true);
    },
  );
});

it('quantises the convolution behind Relu and Sub with a signed input', () => {
  expect(formats(named('Sub', 'other'), 'positive').get('made')).toEqual({ bits: 8, signed: true });
  expect(formats(named('Add', 'other'), 'positive').get('made')).toEqual({ bits: 8, signed: false });
});

it('gives no unsigned format where the profile does not allow it', () => {
  const signedOnly = { ...profile, activations: { bits: 8, unsignedAfterRelu: false } } as const;
  for (const { signed } of formats(named('Add', 'other'), 'positive', signedOnly).values()) expect(signed).toBe(true);
});

/** Of the operator's own quantiser where it has one, and of what a sum that would be unsigned makes of its output. */
function isSigned(operator: Operator, under: string): boolean {
  const found = formats(operator, under);
  const { signed } = found.get('joined') ?? {};
  if (signed === undefined) throw new Error('no quantiser after the sum');
  const own = found.get('made');
  if (own !== undefined) expect(own.signed).toBe(signed);
  return signed;
}

/**
 * Backbone: three convolutions, `positive` and `other` with a Relu; the operator on the value under test gives `made`, the sum
 * of it and `other` is the boundary `joined`. @returns value → its format.
 */
function formats({ op, inputs = ['it'], attributes = {} }: Operator, under: string, asked: Profile = profile) {
  const b = new GraphBuilder('t');
  for (const [name, values] of Object.entries(constants)) b.initializers.set(name, vector(values));
  b.initializers.set(shape, { dtype: 'int64', shape: [1], data: BigInt64Array.of(1n) });
  b.initializers.set(condition, { dtype: 'bool', shape: [1], data: Uint8Array.of(1) });
  for (const name of ['positive', 'other', 'signed', 'out'])
    b.initializers.set(`${name}.weight`, { dtype: 'float32', shape: [1, 1, 1, 1], data: Float32Array.of(1) });
  for (const name of ['positive', 'other'])
    b.emit('Relu', [b.emit('Conv', ['image', `${name}.weight`], kernel)], {}, { outputs: [name] });
  b.emit('Conv', ['image', 'signed.weight'], kernel, { outputs: ['signed'] });
  if (under === 'difference') b.emit('Sub', ['positive', 'other'], {}, { outputs: ['difference'] });
  const read = inputs.map((input) => (input === 'it' ? under : input));
  b.emit(op, read, attributes, { outputs: ['made'] });
  b.emit('Add', ['made', 'other'], {}, { outputs: ['joined'] });
  b.emit('Conv', ['joined', 'out.weight'], kernel, { outputs: ['out'] });
  const graph = b.finish({
    name: 'signs',
    opset: 20,
    inputs: [{ name: 'image', dtype: 'float32', shape: ['N', 1, 4, 4] }],
    outputs: [{ name: 'out', dtype: 'float32' }],
  });
  const scopes = { backbone: { boundary: ['joined'] }, heads: { head: { outputs: ['out'] } } };
  const { activations } = placeQuantizers(recogniseNetwork(graph, scopes), new Map([[BACKBONE, asked]]));
  return new Map([...activations].map(([value, { format }]) => [value, format]));
}

const kernel = { kernel_shape: ints([1, 1]), group: int(1) };

function vector(values: readonly number[]) {
  return { dtype: 'float32', shape: [values.length], data: Float32Array.from(values) } as const;
}
