// The training graph itself, as it is run: a frozen parameter has no gradient in it, no moment, and no place in its state.
import { describe, expect, it } from 'vitest';
import { BACKBONE } from '../../../src/qat/network/network.ts';
import { decodeModel } from '../../../src/qat/onnx/codec.ts';
import { intOf } from '../../../src/qat/onnx/ir.ts';
import type { IrNode } from '../../../src/qat/onnx/ir.ts';
import { placeQuantizers } from '../../../src/qat/quantize/placement.ts';
import type { TrainState } from '../../../src/qat/train/forward.ts';
import { compileProgram } from '../../../src/qat/train/program.ts';
import type { TrainingProgram } from '../../../src/qat/train/program.ts';
import { elementCount, zeros } from '../../../src/support/tensor.ts';
import type { Tensor } from '../../../src/support/tensor.ts';
import { runGraph } from '../graphs.ts';
import { BATCH, parametersOf, smallNetwork, targets } from '../networks.ts';

const network = smallNetwork();
const trained: TrainState = { state: 'FLOAT', trained: true, batchNorm: 'train' };
const frozen: TrainState = { state: 'FLOAT', trained: false, batchNorm: 'frozen' };

function compile(states: { readonly [scope in 'backbone' | 'detection']: TrainState }): Promise<TrainingProgram> {
  return compileProgram({
    network,
    scopes: new Map(Object.entries(states)),
    placement: placeQuantizers(network, new Map()),
    constants: parametersOf(network),
    ranges: new Map(),
    activationScales: 'fixed',
    losses: [{ kind: 'focal-heatmap', output: 'detection.out', target: 'target.detection', weight: 1 }],
    targets: targets.filter(({ name }) => name === 'target.detection'),
    batch: BATCH,
    boundaryShapes: new Map(),
    optimizer: { kind: 'adamw', weightDecay: 0.1 },
    momentum: 0.1,
  });
}

/** Shapes of all values that the graph computes from what it is fed: a kernel turned round for a backward pass is a constant. */
async function computedShapes({ model }: TrainingProgram): Promise<ReadonlySet<string>> {
  const graph = decodeModel(model);
  const fed = new Set(graph.inputs.map(({ name }) => name));
  for (const { inputs, outputs } of graph.nodes)
    if (inputs.some((name) => fed.has(name))) for (const name of outputs) fed.add(name);
  const values = graph.nodes.flatMap((node) => (isFloat(node) ? node.outputs.filter((name) => fed.has(name)) : []));
  const feeds = new Map(
    graph.inputs.map(({ name, dtype, shape }): [string, Tensor] => {
      const sizes = (shape ?? []).map(Number);
      const tensor = zeros(sizes);
      return [name, dtype === 'int32' ? { dtype, shape: sizes, data: Int32Array.from(tensor.data) } : tensor];
    }),
  );
  const outputs = values.map((name) => ({ name, dtype: 'float32' as const }));
  return new Set([...(await runGraph({ ...graph, outputs }, feeds)).values()].map(({ shape }) => shape.join()));
}

/** A graph's output says its type; truth values and counts are no gradients. */
function isFloat(node: IrNode): boolean {
  return node.op === 'Cast' ? intOf(node, 'to', 1) === 1 : !/^(Equal|Greater|Less|Not|And|Or|Shape)/.test(node.op);
}

/** Shapes that weights of one scope have, and no parameter of the other. */
function shapesOnlyOf(scope: string): readonly string[] {
  const shapes = (own: boolean) =>
    network.parameters
      .filter((p) => (p.scope === scope) === own && p.shape.length > 1)
      .map(({ shape }) => shape.join());
  return [...new Set(shapes(true))].filter((shape) => !shapes(false).includes(shape));
}

describe.each([
  { what: 'a backbone trained through a frozen head', held: 'detection', moved: BACKBONE },
  { what: 'a head trained on a backbone that is frozen in the same graph', held: BACKBONE, moved: 'detection' },
] as const)('the training graph of $what', ({ held, moved }) => {
  const both = () => compile({ [BACKBONE]: trained, detection: trained });
  const one = () => compile({ [BACKBONE]: trained, detection: trained, [held]: frozen });

  it('computes nothing of the shape of a frozen weight, where the graph that trains both does', async () => {
    const shapes = shapesOnlyOf(held);
    expect(shapes.length).toBeGreaterThan(1);
    const [all, without] = [await computedShapes(await both()), await computedShapes(await one())];
    expect(shapes.filter((shape) => !all.has(shape))).toEqual([]);
    expect(shapes.filter((shape) => without.has(shape))).toEqual([]);
    expect(shapesOnlyOf(moved).filter((shape) => !without.has(shape))).toEqual([]);
  });

  it('has state for the trained scope alone, and holds the frozen one as constants', async () => {
    const program = await one();
    const graph = decodeModel(program.model);
    const learned = network.parameters.filter(
      ({ scope, role }) => scope === moved && role !== 'mean' && role !== 'variance',
    );
    const length = learned.reduce((sum, { shape }) => sum + elementCount(shape), 0);
    for (const name of ['parameters', 'first', 'second'])
      expect(graph.inputs.find((input) => input.name === name)?.shape, name).toEqual([length]);
    expect(program.differentiated).toEqual(learned.map(({ name }) => name));
    const ofHeld = network.parameters.filter(({ scope }) => scope === held).map(({ name }) => name);
    expect([...program.frozenInitializers.keys()].sort()).toEqual(ofHeld.sort());
    for (const initializer of program.frozenInitializers.values())
      expect(graph.initializers.has(initializer)).toBe(true);
  });
});
