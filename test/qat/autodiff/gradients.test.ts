// Losses, fake-quant, batch norms and a table of convolutions against PyTorch: the tiny graph of each golden case is lowered,
// differentiated and run. The other operators are in operators.test.ts; that none is left out, in registry.test.ts.
import { describe, expect, it } from 'vitest';
import { differentiate, lower } from '../../../src/qat/autodiff/differentiate.ts';
import { gradientRules } from '../../../src/qat/autodiff/registry.ts';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { float, int, ints, text } from '../../../src/qat/onnx/ir.ts';
import type { Attribute, IrNode } from '../../../src/qat/onnx/ir.ts';
import type { Tensor } from '../../../src/support/tensor.ts';
import { relativeDifference } from '../differences.ts';
import { readGolden } from '../golden-file.ts';
import { runBuilder } from '../graphs.ts';
import type { Optimisation } from '../graphs.ts';

interface GradientCase {
  readonly name: string;
  readonly rule: string;
  readonly inputs: readonly string[];
  readonly wanted: readonly string[];
  readonly attributes: { readonly [name: string]: number | string | readonly number[] };
}

/** Largest difference over largest reference, for outputs and every gradient. */
const TOLERANCE = 1e-5;

const files = ['gradients.safetensors', 'losses.safetensors'].map((name) => readGolden<GradientCase>(name));
const golden = {
  cases: files.flatMap(({ cases }) => cases),
  tensor: (name: string): Tensor => (files.find((file) => file.has(name)) ?? files[0])?.tensor(name) as Tensor,
};
const floatAttributes: ReadonlySet<string> = new Set([
  'epsilon',
  'alpha',
  'beta',
  'gamma',
  'smooth',
  'temperature',
  'label_smoothing',
]);
const floatsAttributes: ReadonlySet<string> = new Set(['class_weights', 'positive_weights']);
/** Outputs beyond the first, in the operator's order. */
const extraOutputs: { readonly [rule: string]: readonly string[] } = {
  'headgate.BatchNormTrain': ['mean', 'variance'],
  'headgate.BatchNormTrainDivided': ['mean', 'variance', 'divided'],
  'headgate.BatchNormSwitch': ['mean', 'variance', 'usedMean', 'usedVariance'],
  'headgate.FakeQuant': ['steps'],
  'headgate.LearnedFakeQuant': ['ratio'],
};

function attributeOf(name: string, value: number | string | readonly number[]): Attribute {
  if (typeof value === 'string') return text(value);
  if (typeof value !== 'number') return floatsAttributes.has(name) ? { kind: 'floats', value } : ints(value);
  return floatAttributes.has(name) ? float(value) : int(value);
}

/** The case's inputs, outputs and gradients as headgate computes them, by the golden file's names. */
async function run(test: GradientCase, optimisation: Optimisation): Promise<ReadonlyMap<string, Tensor>> {
  const split = test.rule.lastIndexOf('.');
  const extra = extraOutputs[test.rule] ?? [];
  const node: IrNode = {
    op: test.rule.slice(split + 1),
    domain: split < 0 ? '' : test.rule.slice(0, split),
    name: test.name,
    inputs: test.inputs,
    outputs: ['y', ...extra.map((name) => `out.${name}`)],
    attributes: Object.fromEntries(
      Object.entries(test.attributes).map(([key, value]) => [key, attributeOf(key, value)]),
    ),
  };
  // The "loss" is y · upstream, not yet summed: its gradient 1 stretches over every element, which is that of the sum.
  const weigh: IrNode = {
    op: 'Mul',
    domain: '',
    name: 'weigh',
    inputs: ['y', 'upstream'],
    outputs: ['z'],
    attributes: {},
  };
  const b = new GraphBuilder();
  const feeds = new Map<string, Tensor>([['upstream', golden.tensor(`${test.name}/upstream`)]]);
  const shapes = new Map<string, readonly number[]>();
  for (const input of test.inputs) {
    const tensor = golden.tensor(`${test.name}/in.${input}`);
    if (test.wanted.includes(input) || tensor.dtype === 'int32' || input === 'frozen') feeds.set(input, tensor);
    else b.initializers.set(input, tensor);
    shapes.set(input, tensor.shape);
  }
  for (const value of ['y', 'z', 'upstream']) shapes.set(value, golden.tensor(`${test.name}/upstream`).shape);
  lower(b, [node, weigh], shapes);
  const gradients = differentiate(b, [node, weigh], shapes, 'z', test.wanted);
  const asked = new Map([['out', 'y'], ...extra.map((name) => [`extra.${name}`, `out.${name}`] as const)]);
  for (const [input, gradient] of gradients) asked.set(`grad.${input}`, gradient);
  const results = await runBuilder(b, feeds, [...asked.values()], { optimisation });
  return new Map([...asked].map(([name, value]) => [name, results.get(value) as Tensor]));
}

function compared(test: GradientCase): readonly string[] {
  const extra = test.rule.startsWith('headgate.BatchNorm') ? ['extra.mean', 'extra.variance'] : [];
  return ['out', ...extra, ...test.wanted.map((input) => `grad.${input}`)];
}

describe.each([...new Set(golden.cases.map((test) => test.rule))])('the gradient of %s', (rule) => {
  const cases = golden.cases.filter((test) => test.rule === rule);

  it.each(cases)('agrees with PyTorch: $name', async (test) => {
    for (const optimisation of ['disabled', 'all'] as const) {
      const found = await run(test, optimisation);
      for (const name of compared(test)) {
        const reference = golden.tensor(`${test.name}/${name}`);
        expect(found.get(name)?.shape, name).toEqual(reference.shape);
        const difference = relativeDifference(found.get(name)?.data as Float32Array, reference.data as Float32Array);
        expect(difference, `${name}, optimisation ${optimisation}`).toBeLessThanOrEqual(TOLERANCE);
      }
    }
  });
});

describe('the golden cases', () => {
  it('name only rules that exist', () => {
    expect(golden.cases.map((test) => test.rule).filter((rule) => !gradientRules.has(rule))).toEqual([]);
  });
});
