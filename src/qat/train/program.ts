// A training program: forward, losses, backward and optimiser of some scopes as one ONNX graph, one call a step.
// State (parameters, moments, running statistics, observed ranges) goes in and comes out as four flat vectors; a frozen
// scope's parameters are constants of the graph and have no gradient, no moment and no place in the vectors.
import { GraphBuilder } from '../onnx/builder.ts';
import { encodeModel } from '../onnx/codec.ts';
import { int } from '../onnx/ir.ts';
import type { IrNode, ValueInfo } from '../onnx/ir.ts';
import { differentiate, lower } from '../autodiff/differentiate.ts';
import { HEADGATE_DOMAIN } from '../autodiff/rule.ts';
import { BACKBONE } from '../network/network.ts';
import type { LayerUnit, Network } from '../network/network.ts';
import type { Parameters } from '../network/fold.ts';
import { TRAINING_OPSET } from '../network/reference.ts';
import type { Placement } from '../quantize/placement.ts';
import type { Range } from '../quantize/checkpoint.ts';
import { EPSILON, steps } from '../quantize/scheme.ts';
import { createSession } from '../runtime/onnxruntime.ts';
import { elementCount } from '../../support/tensor.ts';
import type { DType } from '../../support/tensor.ts';
import { ForwardEmitter } from './forward.ts';
import type { BatchStatistics, TrainState } from './forward.ts';
import { emitPack, emitUnpack, layoutOf } from './layout.ts';
import type { Layout, Slot } from './layout.ts';
import { emitOptimizer } from './optimizer.ts';
import type { OptimizerSettings } from './optimizer.ts';

export type LossSpec =
  | { readonly kind: 'focal-heatmap'; readonly output: string; readonly target: string; readonly weight: number }
  | {
      readonly kind: 'cross-entropy';
      readonly output: string;
      readonly target: string;
      readonly ignore: number;
      readonly weight: number;
    }
  /** Distance of a value (after its quantiser) to a fed reference. */
  | { readonly kind: 'distill'; readonly output: string; readonly target: string; readonly weight: number };

export interface TargetSpec {
  readonly name: string;
  readonly dtype: DType & ('float32' | 'int32');
  /** With the batch dimension. */
  readonly shape: readonly number[];
}

export interface ProgramRequest {
  readonly network: Network;
  readonly scopes: ReadonlyMap<string, TrainState>;
  readonly placement: Placement;
  readonly constants: Parameters;
  /** Scales of QAT scopes: 'fixed' keeps them, 'follow' moves min and max by `averagingConstant` each step. */
  readonly ranges: ReadonlyMap<string, Range>;
  readonly activationScales: 'fixed' | 'follow';
  readonly losses: readonly LossSpec[];
  readonly targets: readonly TargetSpec[];
  readonly batch: number;
  readonly boundaryShapes: ReadonlyMap<string, readonly number[]>;
  readonly optimizer: OptimizerSettings;
  /** Of running statistics; PyTorch's default is 0.1. */
  readonly momentum: number;
}

export interface TrainingProgram {
  readonly model: Uint8Array;
  readonly parameters: Layout;
  readonly statistics: Layout;
  /** Two values (min, max) per observed quantiser. */
  readonly ranges: Layout;
  readonly dataInputs: readonly ValueInfo[];
  /** Values whose gradients were taken: exactly the trained scopes' parameters. */
  readonly differentiated: readonly string[];
  /** Frozen parameter → the initializer of `model` that holds it. */
  readonly frozenInitializers: ReadonlyMap<string, string>;
}

const trainableRoles: ReadonlySet<string> = new Set(['weight', 'bias', 'gamma', 'beta']);

export async function compileProgram(request: ProgramRequest): Promise<TrainingProgram> {
  const { network, scopes } = request;
  const trainedScopes = new Set([...scopes].filter(([, scope]) => scope.trained).map(([name]) => name));
  const slotsOf = (pick: (role: string) => boolean): readonly Slot[] =>
    network.parameters
      .filter((p) => trainedScopes.has(p.scope) && pick(p.role))
      .map(({ name, shape }) => ({ name, shape }));
  const parameters = layoutOf(slotsOf((role) => trainableRoles.has(role)));
  const statistics = layoutOf(slotsOf((role) => !trainableRoles.has(role)));
  const follows = request.activationScales === 'follow';
  const observed = follows
    ? [...request.placement.activations.values()].filter((q) => scopes.get(q.scope)?.trained === true)
    : [];
  const ranges = layoutOf(observed.map((q) => ({ name: q.value, shape: [2] })));

  const b = new GraphBuilder('v');
  const trained = emitUnpack(b, parameters, 'parameters');
  const stats = emitUnpack(b, statistics, 'statistics');
  const rangeIn = emitUnpack(b, ranges, 'ranges');
  const rangeOut = new Map<string, string>();
  const emitter: ForwardEmitter = new ForwardEmitter(b, { ...request, trained, statistics: stats, scaleFor });
  const dataInputs = inputsOf(request);
  if (scopes.has(BACKBONE)) emitter.emitInput();
  for (const unit of network.units) emitter.emit(unit);
  const losses = request.losses.map((loss) => ({ loss, value: emitLoss(emitter, loss) }));
  const total = emitTotal(
    emitter,
    losses.map(({ loss, value }) => ({ weight: loss.weight, value })),
  );

  const prologue = [...b.nodes];
  const shapes = await measureShapes(b, prologue, emitter.nodes, dataInputs, { parameters, statistics, ranges });
  lower(b, emitter.nodes, shapes);
  const wanted = parameters.slots.map((slot) => trained.get(slot.name) as string);
  const gradients = differentiate(b, emitter.nodes, shapes, total, wanted);
  const gradient = emitPack(b, parameters, (slot) => {
    const value = trained.get(slot.name) as string;
    return (
      gradients.get(value) ??
      b.constant({ dtype: 'float32', shape: slot.shape, data: new Float32Array(elementCount(slot.shape)) })
    );
  });
  const decayMask = decayMaskOf(network, parameters);
  const optimized = emitOptimizer(b, request.optimizer, {
    parameters: 'parameters',
    gradient,
    first: 'first',
    second: 'second',
    learningRate: 'learningRate',
    correction1: 'correction1',
    correction2: 'correction2',
    decayMask: b.constant({ dtype: 'float32', shape: [parameters.length], data: decayMask }, 'mask'),
  });
  const named: [string, string][] = [
    ['loss', total],
    ...losses.map(({ loss, value }): [string, string] => [lossName(loss), value]),
    ['parameters.next', optimized.parameters],
    ['first.next', optimized.first],
    ['second.next', optimized.second],
  ];
  if (statistics.length > 0)
    named.push([
      'statistics.next',
      emitStatistics(b, statistics, stats, emitter.batchStatistics, shapes, request.momentum),
    ]);
  if (ranges.length > 0) named.push(['ranges.next', emitPack(b, ranges, (slot) => rangeOut.get(slot.name) as string)]);
  for (const [name, value] of named) b.emit('Identity', [value], {}, { outputs: [name] });

  const graph = b.finish({
    name: 'training',
    opset: TRAINING_OPSET,
    inputs: [...dataInputs, ...stateInputs({ parameters, statistics, ranges })],
    outputs: named.map(([name]) => ({ name, dtype: 'float32' })),
  });
  return {
    model: encodeModel(graph),
    parameters,
    statistics,
    ranges,
    dataInputs,
    differentiated: parameters.slots.map((slot) => slot.name),
    frozenInitializers: emitter.frozenInitializers,
  };

  /** The scale of an activation: a constant, or the moved range of this step (observer first, then quantiser). */
  function scaleFor(value: string, carried: string): string {
    const quantizer = request.placement.activations.get(value);
    const range = request.ranges.get(value);
    if (quantizer === undefined || range === undefined) throw new Error(`no range for activation "${value}"`);
    const state = rangeIn.get(value);
    if (state === undefined) return b.scalar(range.scale);
    const [min] = emitter.node('ReduceMin', [carried], { keepdims: int(0) }) as [string];
    const [max] = emitter.node('ReduceMax', [carried], { keepdims: int(0) }) as [string];
    const one = b.int64([1]);
    const current = emitter.node(
      'Concat',
      [emitter.node('Reshape', [min, one])[0] as string, emitter.node('Reshape', [max, one])[0] as string],
      { axis: int(0) },
    )[0] as string;
    const moved = emitter.node('Mul', [
      emitter.node('Sub', [current, state])[0] as string,
      'averagingConstant',
    ])[0] as string;
    const next = emitter.node('Add', [state, moved])[0] as string;
    rangeOut.set(value, next);
    const magnitude = quantizer.format.signed ? (emitter.node('Abs', [next])[0] as string) : next;
    const [largest] = emitter.node('ReduceMax', [magnitude], { keepdims: int(0) }) as [string];
    return emitter.node('Max', [
      emitter.node('Div', [largest, b.scalar(steps(quantizer.format))])[0] as string,
      b.scalar(EPSILON),
    ])[0] as string;
  }
}

/** A task's loss and a distance to a teacher may look at the same output. */
function lossName({ kind, output }: LossSpec): string {
  return kind === 'distill' ? `loss.distill.${output}` : `loss.${output}`;
}

export function stateInputs(layouts: {
  readonly parameters: Layout;
  readonly statistics: Layout;
  readonly ranges: Layout;
}): readonly ValueInfo[] {
  const vector = (name: string, layout: Layout): ValueInfo[] =>
    layout.length === 0 ? [] : [{ name, dtype: 'float32', shape: [layout.length] }];
  const scalar = (name: string): ValueInfo => ({ name, dtype: 'float32', shape: [] });
  return [
    ...vector('parameters', layouts.parameters),
    ...vector('first', layouts.parameters),
    ...vector('second', layouts.parameters),
    ...vector('statistics', layouts.statistics),
    ...vector('ranges', layouts.ranges),
    scalar('learningRate'),
    scalar('correction1'),
    scalar('correction2'),
    ...(layouts.ranges.length === 0 ? [] : [scalar('averagingConstant')]),
  ];
}

function inputsOf(request: ProgramRequest): readonly ValueInfo[] {
  const { network, scopes, batch } = request;
  const images: readonly ValueInfo[] = scopes.has(BACKBONE)
    ? [{ name: network.input.name, dtype: 'float32', shape: [batch, ...network.input.shape] }]
    : network.scopes.backbone.boundary.map((name) => ({
        name,
        dtype: 'float32',
        shape: [batch, ...(request.boundaryShapes.get(name) ?? [])],
      }));
  return [...images, ...request.targets.map(({ name, dtype, shape }): ValueInfo => ({ name, dtype, shape }))];
}

function emitLoss(emitter: ForwardEmitter, loss: LossSpec): string {
  const inputs = [emitter.actual(loss.output), loss.target];
  switch (loss.kind) {
    case 'focal-heatmap':
      return emitter.node('FocalHeatmap', inputs, {}, 1, HEADGATE_DOMAIN)[0] as string;
    case 'cross-entropy':
      return emitter.node('CrossEntropy', inputs, { ignore: int(loss.ignore) }, 1, HEADGATE_DOMAIN)[0] as string;
    case 'distill':
      return emitter.node('MeanSquaredError', inputs, {}, 1, HEADGATE_DOMAIN)[0] as string;
  }
}

function emitTotal(
  emitter: ForwardEmitter,
  losses: readonly { readonly weight: number; readonly value: string }[],
): string {
  const weighted = losses.map(({ weight, value }) =>
    weight === 1 ? value : (emitter.node('Mul', [value, emitter.b.scalar(weight)])[0] as string),
  );
  return weighted.reduce((sum, value) => emitter.node('Add', [sum, value])[0] as string);
}

/** running ← (1 − m)·running + m·batch, the variance unbiased (M/(M − 1)), as PyTorch does. */
function emitStatistics(
  b: GraphBuilder,
  layout: Layout,
  stats: ReadonlyMap<string, string>,
  batches: readonly BatchStatistics[],
  shapes: ReadonlyMap<string, readonly number[]>,
  momentum: number,
): string {
  const next = new Map<string, string>();
  for (const { unit, mean, variance, observedValue } of batches) {
    const [n, , h, w] = shapes.get(observedValue) as [number, number, number, number];
    const count = n * h * w;
    const [, , , meanName, varianceName] = (unit as Required<LayerUnit>).norm.inputs as [
      string,
      string,
      string,
      string,
      string,
    ];
    for (const [name, batch, factor] of [
      [meanName, mean, 1],
      [varianceName, variance, count / Math.max(count - 1, 1)],
    ] as const) {
      const kept = b.emit('Mul', [stats.get(name) as string, b.scalar(1 - momentum)]);
      next.set(name, b.emit('Add', [kept, b.emit('Mul', [batch, b.scalar(momentum * factor)])]));
    }
  }
  return emitPack(b, layout, (slot) => next.get(slot.name) ?? (stats.get(slot.name) as string));
}

function decayMaskOf(network: Network, layout: Layout): Float32Array {
  const roles = new Map(network.parameters.map((p) => [p.name, p.role]));
  const mask = new Float32Array(layout.length);
  let offset = 0;
  for (const slot of layout.slots) {
    const size = elementCount(slot.shape);
    if (roles.get(slot.name) === 'weight') mask.fill(1, offset, offset + size);
    offset += size;
  }
  return mask;
}

/** Shapes of all forward values, read off one run of the lowered forward graph on zeros: no shape inference of our own. */
async function measureShapes(
  b: GraphBuilder,
  prologue: readonly IrNode[],
  forward: readonly IrNode[],
  dataInputs: readonly ValueInfo[],
  layouts: { readonly parameters: Layout; readonly statistics: Layout; readonly ranges: Layout },
): Promise<ReadonlyMap<string, readonly number[]>> {
  const probe = new GraphBuilder('s');
  for (const [name, tensor] of b.initializers) probe.initializers.set(name, tensor);
  probe.nodes.push(...prologue);
  const shapes = new Map<string, readonly number[]>();
  for (const [name, tensor] of b.initializers) shapes.set(name, tensor.shape);
  const inputs = [...dataInputs, ...stateInputs(layouts), ...(layouts.ranges.length > 0 ? [] : [])];
  for (const { name, shape } of inputs) shapes.set(name, (shape ?? []) as readonly number[]);
  // Lowerings that need shapes only need those of parameters and of earlier values with parameters' shapes.
  for (const node of prologue) if (node.op === 'Reshape') shapes.set(node.outputs[0] as string, constantShape(b, node));
  const outputs = new Set<string>();
  for (const node of forward) for (const output of node.outputs) outputs.add(output);
  await runForShapes(probe, forward, inputs, outputs, shapes);
  return shapes;
}

function constantShape(b: GraphBuilder, node: IrNode): readonly number[] {
  const tensor = b.initializers.get(node.inputs[1] as string);
  return tensor === undefined ? [] : Array.from(tensor.data as BigInt64Array, Number);
}

async function runForShapes(
  probe: GraphBuilder,
  forward: readonly IrNode[],
  inputs: readonly ValueInfo[],
  outputs: ReadonlySet<string>,
  shapes: Map<string, readonly number[]>,
): Promise<void> {
  // A loss lowering reads its logits' shape, so losses come in a second pass, once the network's shapes are known.
  const losses = forward.filter(
    (node) =>
      node.domain === HEADGATE_DOMAIN &&
      (node.op === 'CrossEntropy' || node.op === 'FocalHeatmap' || node.op === 'MeanSquaredError'),
  );
  const firstLoss = losses.length === 0 ? forward.length : forward.indexOf(losses[0] as IrNode);
  lower(probe, forward.slice(0, firstLoss), shapes);
  const made = new Set(probe.nodes.flatMap((node) => node.outputs));
  const asked = [...outputs].filter((name) => made.has(name));
  const graph = probe.finish({
    name: 'shapes',
    opset: TRAINING_OPSET,
    inputs,
    outputs: asked.map((name) => ({ name, dtype: 'float32' })),
  });
  const session = await createSession(encodeModel(graph), { threads: 1, optimisation: 'disabled' });
  const feeds = new Map(
    inputs
      .filter(({ name }) => session.inputNames.includes(name))
      .map(({ name, dtype, shape }) => {
        const size = elementCount((shape ?? []) as readonly number[]);
        const data = dtype === 'int32' ? new Int32Array(size) : new Float32Array(size);
        return [name, { dtype: dtype as DType, shape: (shape ?? []) as readonly number[], data }];
      }),
  );
  for (const [name, tensor] of await session.run(feeds)) shapes.set(name, tensor.shape);
  await session.release();
  for (const node of forward.slice(firstLoss)) for (const output of node.outputs) shapes.set(output, []);
}
