// Where a training step's time goes: milliseconds by operator, from onnxruntime's own profile of a few steps.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { decodeModel } from '../../src/qat/onnx/codec.ts';
import type { ValueInfo } from '../../src/qat/onnx/ir.ts';
import { Random } from '../../src/support/random.ts';
import { elementCount } from '../../src/support/tensor.ts';
import type { Tensor } from '../../src/support/tensor.ts';
import { prepareProgram } from './step-arm.ts';
import type { Arm } from './step-arm.ts';

const STEPS = 6;
const WARM_UP = 2;

/** Operator → milliseconds a step, largest first. */
export async function profileStep({ network, state, phase, threads }: Arm): Promise<readonly [string, number][]> {
  const { program, data } = await prepareProgram(network, state, phase);
  const folder = await mkdtemp(join(tmpdir(), 'headgate-profile-'));
  try {
    const session = await InferenceSession.create(program.model, {
      graphOptimizationLevel: 'disabled',
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      enableProfiling: true,
      profileFilePrefix: join(folder, 'step'),
      logSeverityLevel: 3,
      extra: { session: { intra_op: { allow_spinning: '0' } } },
    });
    const random = new Random(1);
    const feeds = Object.fromEntries(
      decodeModel(program.model).inputs.map((input) => [input.name, feed(data.get(input.name), input, random)]),
    );
    for (let step = 0; step < STEPS; step++) await session.run(feeds);
    session.endProfiling();
    await session.release();
    const [file = ''] = await readdir(folder);
    return byOperator(JSON.parse(await readFile(join(folder, file), 'utf8')) as readonly ProfileEvent[]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** State vectors are small noise: what they hold does not change how long a step takes. */
function feed(given: Tensor | undefined, { dtype, shape = [] }: ValueInfo, random: Random): OrtTensor {
  const sizes = shape.map(Number);
  if (given !== undefined) return new OrtTensor(given.dtype, given.data as Float32Array, sizes);
  const data = Float32Array.from({ length: elementCount(sizes) }, () => 0.1 * Math.abs(random.normal()) + 0.01);
  return new OrtTensor(dtype as 'float32', data, sizes);
}

interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  /** Microseconds. */
  readonly dur: number;
  readonly args?: { readonly op_name?: string; readonly node_index?: string };
}

function byOperator(events: readonly ProfileEvent[]): readonly [string, number][] {
  const kernels = events.filter(({ cat, name }) => cat === 'Node' && name.endsWith('_kernel_time'));
  const perStep = kernels.length / STEPS;
  const totals = new Map<string, number>();
  for (const { args, dur } of kernels.slice(WARM_UP * perStep)) {
    const operator = args?.op_name ?? 'other';
    totals.set(operator, (totals.get(operator) ?? 0) + dur / 1000 / (STEPS - WARM_UP));
  }
  return [...totals].sort(([, left], [, right]) => right - left);
}
