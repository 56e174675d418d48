// The import proof: a model, or a head, as headgate spells it gives what its file gives, on noise and on every output. Both
// run unoptimised. Not for weights that replace the file's own.
import type { GraphIr } from '../../qat/onnx/ir.ts';
import { encodeModel } from '../../qat/onnx/codec.ts';
import { createSession } from '../../qat/runtime/onnxruntime.ts';
import { elementCount } from '../../support/tensor.ts';
import type { Tensor } from '../../support/tensor.ts';
import { Random } from '../../support/random.ts';
import { JobError } from './job-error.ts';
import { runnableFile, runnableOf } from './runnable-file.ts';

/** Of the largest magnitude: respelled operators may sum in another order. */
const TOLERANCE = 1e-5;

export interface ImportProof {
  readonly values: number;
  /** Largest difference, as a share of the output's largest magnitude. */
  readonly difference: number;
}

/** @returns undefined where the file's inputs have no fixed size to make noise of. @throws JobError naming the output. */
export async function proveImport(
  file: Uint8Array,
  decoded: GraphIr,
  normalised: GraphIr,
): Promise<ImportProof | undefined> {
  const [input, ...others] = decoded.inputs;
  const sizes = (input?.shape ?? []).map((size, axis) => (typeof size === 'string' && axis === 0 ? 1 : size));
  if (input === undefined || others.length > 0 || sizes.length === 0 || sizes.some((size) => typeof size === 'string'))
    return undefined;
  const noise = noiseFor([[input.name, sizes.map(Number)]]);
  const [image] = [...noise.values()] as [Tensor];
  const own =
    normalised.inputs[0]?.shape?.slice(1).join() === image.shape.slice(1).join() ? image : channelsFirst(image);
  const part = await runnableFile(encodeModel(normalised), normalised);
  const after = await outputsOf(part, new Map([[input.name, own]]));
  // Of the values before an operator of another runtime those that bear one name in both.
  const declared = new Set(decoded.outputs.map((output) => output.name));
  const before = await runnableOf(file, decoded);
  const names = before.outputs.filter((name) => declared.has(name) || after.has(name));
  return proveAlike(names, await outputsOf(before.file, noise), after);
}

/** Values between 0 and 1, the same each time. */
export function noiseFor(inputs: Iterable<readonly [string, readonly number[]]>): ReadonlyMap<string, Tensor> {
  const random = new Random(1);
  const tensors = [...inputs].map(([name, shape]): [string, Tensor] => {
    const data = Float32Array.from({ length: elementCount(shape) }, () => random.uniform());
    return [name, { dtype: 'float32', shape, data }];
  });
  return new Map(tensors);
}

/** @throws JobError naming the output. */
export function proveAlike(
  names: readonly string[],
  before: ReadonlyMap<string, Tensor>,
  after: ReadonlyMap<string, Tensor>,
): ImportProof {
  let [values, difference] = [0, 0];
  for (const name of names) {
    const [left, right] = [before.get(name), after.get(name)];
    if (left === undefined || left.data.length !== right?.data.length) throw differs(name, formOf(left), formOf(right));
    const [a, b] = [Array.from(left.data, Number), Array.from(right.data, Number)];
    const magnitude = a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    for (const [index, value] of a.entries()) {
      const gap = Math.abs(value - (b[index] as number)) / Math.max(magnitude, Number.MIN_VALUE);
      if (!(gap <= TOLERANCE) && !Object.is(value, b[index])) throw differs(name, String(value), String(b[index]));
      difference = Math.max(difference, gap > 0 ? gap : 0);
    }
    values += a.length;
  }
  return { values, difference };
}

/** Run unoptimised. */
export async function outputsOf(
  model: Uint8Array,
  feeds: ReadonlyMap<string, Tensor>,
): Promise<ReadonlyMap<string, Tensor>> {
  const session = await createSession(model, { threads: 1, optimisation: 'disabled' });
  const outputs = await session.run(feeds);
  await session.release();
  return outputs;
}

function channelsFirst({ shape, data }: Tensor): Tensor {
  const [n, h, w, c] = shape as readonly [number, number, number, number];
  const from = data as Float32Array;
  const moved = Float32Array.from(from, (_, index) => {
    const pixel = index % (h * w);
    const channel = Math.floor(index / (h * w)) % c;
    const image = Math.floor(index / (h * w * c));
    return from[(image * h * w + pixel) * c + channel] as number;
  });
  return { dtype: 'float32', shape: [n, c, h, w], data: moved };
}

function formOf(tensor: Tensor | undefined): string {
  return tensor === undefined ? 'nothing' : `[${tensor.shape.join(', ')}]`;
}

function differs(output: string, before: string, after: string): JobError {
  return new JobError({
    reason: 'import-differs',
    message: `output "${output}" of the imported model differs from the file's: ${before} → ${after}`,
    remedy: 'This is a bug in headgate: please report the model. Exporting it at opset 18 avoids the conversion.',
  });
}
