// Bit-for-bit comparison of named tensors: the heart of the freeze, merge and export proofs. NaN equals only the same NaN
// bits here; −0 and +0 differ unless the caller says that they count as equal (outputs of integer grids).
import type { Tensor } from '../../support/tensor.ts';
import { tensorBytes } from '../../support/tensor.ts';
import { encodeCheckpoint } from '../quantize/checkpoint.ts';
import type { ScopeCheckpoint } from '../quantize/checkpoint.ts';

export interface Difference {
  readonly tensor: string;
  /** Flat index of the first element that differs; −1 where the tensor itself is missing, new or of another form. */
  readonly index: number;
  readonly before: string;
  readonly after: string;
}

export interface Comparison {
  readonly tensors: number;
  readonly values: number;
  /** The first difference of every tensor that differs. */
  readonly differences: readonly Difference[];
}

/** Every tensor by name, bit for bit: a missing, added or reshaped one is a difference, and so is -0 for 0. */
export function compareTensors(before: ReadonlyMap<string, Tensor>, after: ReadonlyMap<string, Tensor>): Comparison {
  const differences: Difference[] = [];
  let values = 0;
  for (const [name, left] of before) {
    values += left.data.length;
    const right = after.get(name);
    const difference =
      right === undefined ? { index: -1, before: formOf(left), after: 'missing' } : firstDifference(left, right);
    if (difference !== undefined) differences.push({ tensor: name, ...difference });
  }
  for (const [name, right] of after) {
    if (!before.has(name)) differences.push({ tensor: name, index: -1, before: 'missing', after: formOf(right) });
  }
  return { tensors: before.size, values, differences };
}

/** Every weight, bias, BN statistic, min, max and scale; and scope, state, graph, profile and backbone as values of their own. */
export function compareCheckpoints(before: ScopeCheckpoint, after: ScopeCheckpoint): Comparison {
  const [left, right] = [encodeCheckpoint(before), encodeCheckpoint(after)];
  const comparison = compareTensors(left.tensors, right.tensors);
  const fields = ['scope', 'state', 'graph', 'profile', 'backbone', 'transformations'] as const;
  const others = fields
    .filter((field) => left.metadata[field] !== right.metadata[field])
    .map((field) => ({
      tensor: field,
      index: -1,
      before: left.metadata[field] ?? 'none',
      after: right.metadata[field] ?? 'none',
    }));
  return { ...comparison, differences: [...others, ...comparison.differences] };
}

/** Outputs of two forwards: equal bits, −0 as +0; a NaN is a difference wherever it stands. */
export function compareOutputs(before: ReadonlyMap<string, Tensor>, after: ReadonlyMap<string, Tensor>): Comparison {
  const differences: Difference[] = [];
  let values = 0;
  for (const [name, left] of before) {
    const right = after.get(name);
    values += left.data.length;
    if (right === undefined || left.shape.join() !== right.shape.join()) {
      differences.push({
        tensor: name,
        index: -1,
        before: formOf(left),
        after: right === undefined ? 'missing' : formOf(right),
      });
      continue;
    }
    for (let index = 0; index < left.data.length; index++) {
      // === takes −0 for +0 and no NaN for anything.
      if (left.data[index] === right.data[index]) continue;
      differences.push({ tensor: name, index, before: String(left.data[index]), after: String(right.data[index]) });
      break;
    }
  }
  return { tensors: before.size, values, differences };
}

function firstDifference(left: Tensor, right: Tensor): Omit<Difference, 'tensor'> | undefined {
  if (formOf(left) !== formOf(right)) return { index: -1, before: formOf(left), after: formOf(right) };
  const [a, b] = [tensorBytes(left), tensorBytes(right)];
  if (Buffer.compare(a, b) === 0) return undefined;
  const byte = a.findIndex((value, at) => value !== b[at]);
  const index = Math.floor(byte / left.data.BYTES_PER_ELEMENT);
  return { index, before: exact(left.data[index]), after: exact(right.data[index]) };
}

function formOf(tensor: Tensor): string {
  return `${tensor.dtype}[${tensor.shape.join(', ')}]`;
}

/** Enough digits to tell two float32 apart. */
function exact(value: number | bigint | undefined): string {
  return typeof value === 'number' ? value.toPrecision(9) : String(value);
}
