// The import proof: the model as headgate spells it gives what the file gives, on one image of noise and on every output.
// Both run unoptimised. Not for weights that replace the file's own.
import type { GraphIr } from '../../qat/onnx/ir.ts';
import { encodeModel } from '../../qat/onnx/codec.ts';
import { createSession } from '../../qat/runtime/onnxruntime.ts';
import { elementCount } from '../../support/tensor.ts';
import type { Tensor } from '../../support/tensor.ts';
import { Random } from '../../support/random.ts';
import { JobError } from './job-error.ts';

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
  const random = new Random(1);
  const shape = sizes.map(Number);
  const noise = Float32Array.from({ length: elementCount(shape) }, () => random.uniform());
  const image: Tensor = { dtype: 'float32', shape, data: noise };
  const own = normalised.inputs[0]?.shape?.slice(1).join() === shape.slice(1).join() ? image : channelsFirst(image);
  const before = await outputsOf(file, input.name, image);
  const after = await outputsOf(encodeModel(normalised), input.name, own);
  let [values, difference] = [0, 0];
  for (const [name, left] of before) {
    const right = after.get(name);
    if (right?.data.length !== left.data.length)
      throw differs(name, `[${left.shape.join(', ')}]`, `[${right?.shape.join(', ') ?? 'nothing'}]`);
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

async function outputsOf(model: Uint8Array, input: string, image: Tensor): Promise<ReadonlyMap<string, Tensor>> {
  const session = await createSession(model, { threads: 1, optimisation: 'disabled' });
  const outputs = await session.run(new Map([[input, image]]));
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

function differs(output: string, before: string, after: string): JobError {
  return new JobError({
    reason: 'import-differs',
    message: `output "${output}" of the imported model differs from the file's: ${before} → ${after}`,
    remedy: 'This is a bug in headgate: please report the model. Exporting it at opset 18 avoids the conversion.',
  });
}
