// The optimisers' nodes, step by step, against torch.optim.
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { corrections, emitAverage, emitClipped, emitOptimizer } from '../../../src/qat/train/optimizer.ts';
import type { OptimizerSettings } from '../../../src/qat/train/optimizer.ts';
import { floatTensor } from '../../../src/support/tensor.ts';
import type { Tensor } from '../../../src/support/tensor.ts';
import { relativeDifference } from '../differences.ts';
import { readGolden } from '../golden-file.ts';
import type { GoldenFile } from '../golden-file.ts';
import { runBuilder } from '../graphs.ts';

interface OptimizerCase {
  readonly name: string;
  readonly kind: 'adamw' | 'sgd';
  readonly lr: number;
  readonly weight_decay: number;
  readonly betas?: readonly [number, number];
  readonly eps?: number;
  readonly momentum?: number;
  readonly nesterov?: true;
  readonly clip?: number;
  readonly decay?: number;
}

/** Of parameters, and of how far they moved since the start. */
const TOLERANCE = 1e-5;
const LENGTH = 64;
/** The first forty values decay. */
const DECAYING = 40;
const STEPS = 6;

const [golden, updates] = ['optimizers.safetensors', 'updates.safetensors'].map((name) =>
  readGolden<OptimizerCase>(name),
) as [GoldenFile<OptimizerCase>, GoldenFile<OptimizerCase>];

function settingsOf(test: OptimizerCase): OptimizerSettings {
  if (test.kind === 'sgd') {
    const nesterov = test.nesterov === undefined ? {} : { nesterov: test.nesterov };
    return { kind: 'sgd', weightDecay: test.weight_decay, momentum: test.momentum ?? 0, ...nesterov };
  }
  const betas = test.betas === undefined ? {} : { beta1: test.betas[0], beta2: test.betas[1] };
  return {
    kind: 'adamw',
    weightDecay: test.weight_decay,
    ...betas,
    ...(test.eps === undefined ? {} : { epsilon: test.eps }),
  };
}

interface Followed {
  readonly path: readonly Float32Array[];
  readonly averages: readonly Float32Array[];
}

async function follow(golden: GoldenFile<OptimizerCase>, test: OptimizerCase): Promise<Followed> {
  const settings = settingsOf(test);
  const gradients = golden.floats(`${test.name}/gradients`);
  const vector = (data: Float32Array): Tensor => floatTensor([LENGTH], data);
  const scalar = (value: number): Tensor => floatTensor([], Float32Array.of(value));
  let state: { readonly [part in 'parameters' | 'first' | 'second']: Float32Array } = {
    parameters: golden.floats(`${test.name}/start`),
    first: new Float32Array(LENGTH),
    second: new Float32Array(LENGTH),
  };
  const path: Float32Array[] = [];
  const averages: Float32Array[] = [state.parameters];
  for (let step = 0; step < STEPS; step++) {
    const b = new GraphBuilder();
    const mask = b.constant(floatTensor([LENGTH], new Float32Array(LENGTH).fill(1, 0, DECAYING)));
    const inputs = {
      parameters: 'p',
      gradient: test.clip === undefined ? 'g' : emitClipped(b, 'g', test.clip),
      first: 'm',
      second: 'v',
      learningRate: 'lr',
      correction1: 'c1',
      correction2: 'c2',
    };
    const next = emitOptimizer(b, settings, { ...inputs, decayMask: mask });
    const average = emitAverage(b, 'a', next.parameters, 'keep');
    const [correction1, correction2] = corrections(settings, step + 1);
    const feeds = new Map<string, Tensor>([
      ['p', vector(state.parameters)],
      ['g', vector(gradients.slice(step * LENGTH, (step + 1) * LENGTH))],
      ['m', vector(state.first)],
      ['v', vector(state.second)],
      ['lr', scalar(test.lr)],
      ['c1', scalar(correction1)],
      ['c2', scalar(correction2)],
      ['a', vector(averages.at(-1) as Float32Array)],
      ['keep', scalar(step === 0 ? 1 : 1 - (test.decay ?? 0))],
    ]);
    const results = await runBuilder(b, feeds, [next.parameters, next.first, next.second, average], {
      optimisation: 'all',
    });
    const read = (name: string): Float32Array => results.get(name)?.data as Float32Array;
    state = { parameters: read(next.parameters), first: read(next.first), second: read(next.second) };
    path.push(state.parameters);
    averages.push(read(average));
  }
  return { path, averages: averages.slice(1) };
}

describe('an optimiser', () => {
  it.each([
    ...golden.cases.map((test) => ({ ...test, golden })),
    ...updates.cases.map((test) => ({ ...test, golden: updates })),
  ])('takes the steps of torch.optim, clips and averages as torch does: $name', async ({ golden, ...test }) => {
    const { path, averages } = await follow(golden, test);
    for (const [step, found] of test.decay === undefined ? [] : averages.entries()) {
      const expected = golden.floats(`${test.name}/averages`).slice(step * LENGTH, (step + 1) * LENGTH);
      expect(relativeDifference(found, expected), `average after step ${step + 1}`).toBeLessThanOrEqual(TOLERANCE);
    }
    const start = golden.floats(`${test.name}/start`);
    const reference = golden.floats(`${test.name}/path`);
    const moved = (values: Float32Array): Float32Array =>
      values.map((value, index) => value - (start[index] as number));
    for (const [step, found] of path.entries()) {
      const expected = reference.slice(step * LENGTH, (step + 1) * LENGTH);
      expect(relativeDifference(found, expected), `step ${step + 1}`).toBeLessThanOrEqual(TOLERANCE);
      expect(relativeDifference(moved(found), moved(expected)), `distance after step ${step + 1}`).toBeLessThanOrEqual(
        TOLERANCE,
      );
    }
  });

  it('starts Adam’s bias corrections at 1 − β and needs none for SGD', () => {
    expect(corrections({ kind: 'adamw', weightDecay: 0 }, 1)).toEqual([1 - 0.9, 1 - 0.999]);
    expect(corrections({ kind: 'sgd', weightDecay: 0, momentum: 0.9 }, 7)).toEqual([1, 1]);
  });
});
