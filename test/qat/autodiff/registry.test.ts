// The table of rules as a whole: nothing in it without a check, and absence that says why.
import { describe, expect, it } from 'vitest';
import { differentiate, GradientError, lower } from '../../../src/qat/autodiff/differentiate.ts';
import { gradientRules } from '../../../src/qat/autodiff/registry.ts';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { int } from '../../../src/qat/onnx/ir.ts';
import type { Attribute, IrNode } from '../../../src/qat/onnx/ir.ts';
import { readGolden } from '../golden-file.ts';
import { operatorCases } from './operator-cases.ts';
import { ownCases as ownDifferences } from './own-cases.ts';
import { tolerances } from './tolerances.ts';

/** Operators of headgate's own, whose cases and tolerance stand in gradients.test.ts. */
const own = 'headgate.';
const ownCases = ['gradients.safetensors', 'losses.safetensors'].flatMap(
  (file) => readGolden<{ readonly rule: string }>(file).cases,
);
const withGradient = [...gradientRules].filter(([, rule]) => rule.kind === 'gradient').map(([name]) => name);
const standard = withGradient.filter((name) => !name.startsWith(own));
/** They pass gradients straight through: the derivative of their steps is 0. */
const straightThrough = ['headgate.FakeQuant', 'headgate.LearnedFakeQuant'];
const ownWithDerivative = withGradient.filter((name) => name.startsWith(own) && !straightThrough.includes(name));

describe('the registry', () => {
  it('has at least sixty operators of ONNX', () => {
    expect([...gradientRules.keys()].filter((name) => !name.startsWith(own)).length).toBeGreaterThanOrEqual(60);
    expect(standard.length).toBeGreaterThanOrEqual(60);
  });

  it.each(withGradient)('has a case by PyTorch for %s', (rule) => {
    const cases = rule.startsWith(own) ? ownCases : operatorCases;
    expect(cases.filter((test) => test.rule === rule).length).toBeGreaterThan(0);
  });

  it.each(standard)('has central differences and a tolerance with a reason for %s', (rule) => {
    expect(operatorCases.filter((test) => test.rule === rule && test.differences).length).toBeGreaterThan(0);
    expect(tolerances[rule]?.because).toMatch(/\w+/);
  });

  it.each(ownWithDerivative)('has central differences for %s', (rule) => {
    expect(ownDifferences.filter((test) => test.rule === rule).length).toBeGreaterThan(0);
  });

  it('gives a reason wherever it gives no gradient', () => {
    for (const [name, rule] of gradientRules) if (rule.kind !== 'gradient') expect(rule.why, name).toMatch(/\w{3,}/);
  });

  it('has no case and no tolerance for a rule that is not there', () => {
    expect(operatorCases.map((test) => test.rule).filter((rule) => !withGradient.includes(rule))).toEqual([]);
    expect(Object.keys(tolerances).filter((rule) => !standard.includes(rule))).toEqual([]);
  });
});

function chain(...operators: readonly (readonly [op: string, attributes?: { readonly [name: string]: Attribute }])[]) {
  return operators.map(([op, attributes = {}], index): IrNode => {
    const input = index === 0 ? 'x' : `v${index - 1}`;
    return { op, domain: '', name: `node${index}`, inputs: [input], outputs: [`v${index}`], attributes };
  });
}

function gradientOf(nodes: readonly IrNode[]): string | undefined {
  const b = new GraphBuilder();
  const shapes = new Map(['x', ...nodes.flatMap((node) => node.outputs)].map((name) => [name, [3]] as const));
  lower(b, nodes, shapes);
  return differentiate(b, nodes, shapes, nodes.at(-1)?.outputs[0] as string, ['x']).get('x');
}

describe('an operator without a gradient', () => {
  it('lets nothing flow back where the derivative is zero', () => {
    expect(gradientOf(chain(['Exp'], ['Round'], ['Exp']))).toBeUndefined();
    expect(gradientOf(chain(['Cast', { to: int(7) }], ['Cast', { to: int(1) }]))).toBeUndefined();
    expect(gradientOf(chain(['Exp'], ['Cast', { to: int(1) }]))).toBeDefined();
  });

  it('lets whole numbers be computed with between a shape and the loss', () => {
    // Σ exp(x) / how many there are: a mean whose count is int64.
    const node = (op: string, inputs: readonly string[], output: string, attributes = {}): IrNode => {
      return { op, domain: '', name: output, inputs, outputs: [output], attributes };
    };
    const nodes = [
      node('Exp', ['x'], 'e'),
      node('Shape', ['e'], 'sizes'),
      node('ReduceProd', ['sizes'], 'count', { keepdims: int(0) }),
      node('Cast', ['count'], 'divisor', { to: int(1) }),
      node('Div', ['e', 'divisor'], 'y'),
    ];
    const b = new GraphBuilder();
    const scalars = ['count', 'divisor'].map((name) => [name, []] as const);
    const shapes = new Map<string, readonly number[]>([['x', [3]], ['e', [3]], ['y', [3]], ['sizes', [1]], ...scalars]);
    lower(b, nodes, shapes);
    const forward = b.nodes.length;
    expect(differentiate(b, nodes, shapes, 'y', ['x']).get('x')).toBeDefined();
    const backward = b.nodes.slice(forward).flatMap(({ inputs }) => inputs);
    expect(backward.filter((name) => ['sizes', 'count'].includes(name))).toEqual([]);
  });

  it('is refused by node, operator and reason where there would be one', () => {
    const refused = (): unknown => gradientOf(chain(['Exp'], ['RandomNormalLike'], ['Exp']));
    expect(refused).toThrow(GradientError);
    expect(refused).toThrow(/node "node1" \(RandomNormalLike\).*it is random/);
    expect(() => gradientOf(chain(['Det']))).toThrow(/node "node0" \(Det\).*no gradient for it yet/);
  });

  it('may stand beside the way to the loss', () => {
    const shape: IrNode = { op: 'Shape', domain: '', name: 's', inputs: ['x'], outputs: ['s'], attributes: {} };
    const reshape: IrNode = {
      op: 'Reshape',
      domain: '',
      name: 'r',
      inputs: ['x', 's'],
      outputs: ['y'],
      attributes: {},
    };
    expect(gradientOf([shape, reshape])).toBeDefined();
  });
});
