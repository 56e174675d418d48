// The gradients of headgate's own operators, losses and batch norms in training form, against central differences of their own
// forward pass: the graph is lowered, differentiated and simplified as a training program's is. PyTorch's word on them is in
// gradients.test.ts; quantisers pass gradients straight through and have no derivative to compare with.
import { describe, expect, it } from 'vitest';
import { differentiate, lower } from '../../../src/qat/autodiff/differentiate.ts';
import { mergeMasks } from '../../../src/qat/autodiff/merge-masks.ts';
import { simplify } from '../../../src/qat/autodiff/simplify.ts';
import { TRAINING_OPSET } from '../../../src/qat/network/reference.ts';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import type { GraphIr, IrNode } from '../../../src/qat/onnx/ir.ts';
import { Random } from '../../../src/support/random.ts';
import type { Tensor } from '../../../src/support/tensor.ts';
import { randomTensor, runGraph } from '../graphs.ts';
import { allowed, derivativesOf, weighedSum } from './central-differences.ts';
import { ownCases } from './own-cases.ts';
import type { OwnCase } from './own-cases.ts';

const SEED = 7;

describe.each([...new Set(ownCases.map(({ rule }) => rule))])('the gradient of %s', (rule) => {
  it.each(ownCases.filter((test) => test.rule === rule))('agrees with central differences: $name', async (test) => {
    const upstream = randomTensor(new Random(SEED), test.outputShape);
    const feeds = new Map<string, Tensor>([...test.inputs, ['upstream', upstream]]);
    const gradients = await gradientsOf(test, feeds);
    const weights = new Map([['y', upstream]]);
    const forward = {
      graph: forwardOf(test, feeds),
      feeds: new Map(test.inputs),
      wanted: test.wanted,
      valueOf: (outputs: ReadonlyMap<string, Tensor>) => weighedSum(weights, outputs),
    };
    for (const [input, derivative] of await derivativesOf(forward, gradients, SEED)) {
      const { found, expected } = derivative;
      expect(Math.abs(found - expected), `${input}: ${found} against ${expected}`).toBeLessThanOrEqual(
        allowed(derivative),
      );
    }
  });
});

function nodeOf({ rule, name, inputs, outputs, attributes }: OwnCase): IrNode {
  const [domain = '', op = ''] = rule.split('.');
  return { op, domain, name, inputs: inputs.map(([input]) => input), outputs, attributes };
}

function shapesOf(feeds: ReadonlyMap<string, Tensor>): Map<string, readonly number[]> {
  return new Map([...feeds].map(([name, { shape }]) => [name, shape]));
}

function forwardOf(test: OwnCase, feeds: ReadonlyMap<string, Tensor>): GraphIr {
  const b = new GraphBuilder();
  lower(b, [nodeOf(test)], shapesOf(feeds));
  return finish(b, new Map(test.inputs), ['y']);
}

async function gradientsOf(test: OwnCase, feeds: ReadonlyMap<string, Tensor>): Promise<ReadonlyMap<string, Tensor>> {
  const weigh = { op: 'Mul', domain: '', name: 'weigh', inputs: ['y', 'upstream'], outputs: ['z'], attributes: {} };
  const nodes: readonly IrNode[] = [nodeOf(test), weigh];
  const shapes = shapesOf(feeds);
  for (const value of ['y', 'z']) shapes.set(value, test.outputShape);
  const b = new GraphBuilder();
  lower(b, nodes, shapes);
  // Not yet summed: the gradient 1 of z stretches over every element, which is that of the sum.
  const gradients = differentiate(b, nodes, shapes, 'z', test.wanted);
  mergeMasks(b);
  const names = [...gradients].map(([input, gradient]) => {
    b.emit('Identity', [gradient], {}, { outputs: [`grad.${input}`] });
    return `grad.${input}`;
  });
  simplify(b, new Set(names));
  const results = await runGraph(finish(b, feeds, names), feeds);
  return new Map(test.wanted.map((input) => [input, results.get(`grad.${input}`) as Tensor]));
}

function finish(b: GraphBuilder, feeds: ReadonlyMap<string, Tensor>, outputs: readonly string[]): GraphIr {
  return b.finish({
    name: 'test',
    opset: TRAINING_OPSET,
    inputs: [...feeds].map(([name, { dtype, shape }]) => ({ name, dtype, shape })),
    outputs: outputs.map((name) => ({ name, dtype: 'float32' })),
  });
}
