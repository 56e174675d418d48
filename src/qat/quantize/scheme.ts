// Number formats and scales: symmetric, zero point 0, weights per output channel, activations per tensor.
// signed: scale = max(|min|, |max|) / ((qmax − qmin) / 2); unsigned: max / qmax; floored at float32's epsilon.
import type { Target } from './targets/table.ts';

/**
 * How x is divided by its scale s, in float32. 'divide': x / s, as ONNX's QuantizeLinear; 'inverse-multiply': x · (1 / s), as
 * PyTorch's fake_quantize. They differ by one step for about one value in a million at 8 bits, two in ten thousand at 16.
 */
export type Rounding = 'divide' | 'inverse-multiply';

export interface Format {
  readonly bits: number;
  readonly signed: boolean;
  /** By default 'divide'. */
  readonly rounding?: Rounding;
  /** Scales are raised to the next power of two, so that multiplying by them is a shift. */
  readonly powerOfTwo?: boolean;
}

/** Of one layer, in place of what the profile says of all. `activations`: what it makes. */
export type LayerFormat = {
  readonly weights?: { readonly bits: number };
  readonly activations?: { readonly bits: number };
};

/** A type, not an interface, so that it is plain JSON to the compiler too. */
export type Profile = {
  readonly weights: { readonly bits: number };
  readonly activations: { readonly bits: number; readonly unsignedAfterRelu: boolean };
  /** Bits of the first layer (its weights and the network's input) and of layers that make a head's output. */
  readonly firstLast?: { readonly bits: number };
  /** Exceptions, by the name of a layer's weight, or of the value that an operator without weights makes. */
  readonly layers?: { readonly [layer: string]: LayerFormat };
  /** Whose table says where quantisers sit; by default onnxruntime. */
  readonly target?: Target;
  /** Operators, or output tensors of nodes, that are computed in float although the table does not know them. */
  readonly floatIslands?: readonly string[];
  /** Of every fake-quant of the scope; by default 'divide'. */
  readonly rounding?: Rounding;
  readonly powerOfTwoScales?: boolean;
};

/** The format of one quantiser of a profile. */
export function formatOf(profile: Profile, bits: number, signed: boolean): Format {
  return {
    bits,
    signed,
    ...(profile.rounding === undefined ? {} : { rounding: profile.rounding }),
    ...(profile.powerOfTwoScales === true ? { powerOfTwo: true } : {}),
  };
}

/** float32's machine epsilon, 2⁻²³: no scale is smaller. */
export const EPSILON = 2 ** -23;

/** The smallest and the largest integer step. */
export function limits({ bits, signed }: Format): { readonly qmin: number; readonly qmax: number } {
  return signed ? { qmin: -(2 ** (bits - 1)), qmax: 2 ** (bits - 1) - 1 } : { qmin: 0, qmax: 2 ** bits - 1 };
}

/** The divisor of the largest magnitude: 127.5 for int8, 255 for uint8. */
export function steps(format: Format): number {
  const { qmin, qmax } = limits(format);
  return format.signed ? (qmax - qmin) / 2 : qmax;
}

/** In float32, as the training graph computes it. */
export function scaleOf(min: number, max: number, format: Format): number {
  const magnitude = format.signed ? Math.max(Math.abs(min), Math.abs(max)) : Math.max(max, 0);
  const scale = Math.max(Math.fround(Math.fround(magnitude) / Math.fround(steps(format))), EPSILON);
  return format.powerOfTwo === true ? nextPowerOfTwo(scale) : scale;
}

/** The smallest power of two that is not below a positive number. */
export function nextPowerOfTwo(value: number): number {
  if (!Number.isFinite(value)) return value;
  // log2 may be off by its last bit: step to the exact neighbour.
  let power = 2 ** Math.round(Math.log2(value));
  while (power < value) power *= 2;
  while (power / 2 >= value) power /= 2;
  return power;
}

/** Round half to even, as ONNX's Round and QuantizeLinear do. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest < 0.5) return floor;
  if (rest > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** The integer step of one value: clip(round(x / scale), qmin, qmax), the division in float32 and as the format rounds. */
export function quantizeValue(value: number, scale: number, format: Format): number {
  const { qmin, qmax } = limits(format);
  const quotient =
    format.rounding === 'inverse-multiply' ? Math.fround(value * Math.fround(1 / scale)) : Math.fround(value / scale);
  return Math.min(Math.max(roundHalfEven(quotient), qmin), qmax);
}

/** The value that `quantizeValue` stands for, in float32. */
export function fakeQuantValue(value: number, scale: number, format: Format): number {
  return Math.fround(quantizeValue(value, scale, format) * scale);
}
