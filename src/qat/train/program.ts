// A training program: forward, losses, backward and optimiser of some scopes as one ONNX graph, one call a step.
// State (parameters, moments, running statistics, observed ranges) goes in and comes out as flat vectors; a frozen scope's
// parameters are constants of the graph and have no gradient, no moment and no place in the vectors.
import { GraphBuilder } from '../onnx/builder.ts';
import { encodeModel } from '../onnx/codec.ts';
import { int } from '../onnx/ir.ts';
import type { ValueInfo } from '../onnx/ir.ts';
import { differentiate, lower } from '../autodiff/differentiate.ts';
import { mergeMasks } from '../autodiff/merge-masks.ts';
import { simplify } from '../autodiff/simplify.ts';
import { BACKBONE } from '../network/network.ts';
import type { Network, ParameterRole } from '../network/network.ts';
import type { Parameters } from '../network/fold.ts';
import { feedsOf, TRAINING_OPSET } from '../network/reference.ts';
import type { Placement } from '../quantize/placement.ts';
import type { Range } from '../quantize/checkpoint.ts';
import { EPSILON } from '../quantize/scheme.ts';
import { elementCount } from '../../support/tensor.ts';
import type { DType } from '../../support/tensor.ts';
import { ActivationScales } from './activation-scales.ts';
import { ForwardEmitter } from './forward.ts';
import type { TrainState } from './forward.ts';
import { emitPack, emitUnpack } from './layout.ts';
import type { Layout } from './layout.ts';
import { emitLosses } from './losses.ts';
import type { LossSpec } from './losses.ts';
import { emitAverage, emitClipped, emitOptimizer } from './optimizer.ts';
import type { OptimizerOutputs, OptimizerSettings } from './optimizer.ts';
import { isScaleSlot } from './scale-slots.ts';
import { measureShapes } from './shapes.ts';
import { decayMaskOf, emitStatistics, layoutState, perSlot, stateInputs } from './state.ts';
import type { ScaleSources, StateLayouts } from './state.ts';

/** A tensor that every step is fed besides images or boundary features. */
export interface TargetSpec {
  readonly name: string;
  readonly dtype: DType & ('float32' | 'int32');
  /** With the batch dimension. */
  readonly shape: readonly number[];
}

export interface ProgramRequest extends ScaleSources {
  readonly network: Network;
  /** Scopes inside the graph. Without the backbone, its boundary tensors are fed. */
  readonly scopes: ReadonlyMap<string, TrainState>;
  readonly placement: Placement;
  /** Parameters of the frozen scopes. */
  readonly constants: Parameters;
  /** Of the activation quantisers: what fixed scales are, and what following ones start from. */
  readonly ranges: ReadonlyMap<string, Range>;
  readonly losses: readonly LossSpec[];
  readonly targets: readonly TargetSpec[];
  readonly batch: number;
  /** [C, H, W] of each boundary tensor; read where the backbone is not among the scopes. */
  readonly boundaryShapes: ReadonlyMap<string, readonly number[]>;
  readonly optimizer: OptimizerSettings;
  /** Of running statistics; PyTorch's default is 0.1. */
  readonly momentum: number;
  /** The mask of the straight-through gradient: PyTorch's, or one step further on both sides. */
  readonly straightThrough?: 'masked' | 'inclusive';
  /** Roles of parameters that weight decay acts on; weights alone where it is left out. */
  readonly decaying?: readonly ParameterRole[];
  /** Largest Euclidean norm of the whole gradient; no clipping where it is left out. */
  readonly clipNorm?: number;
  /** Of learned scales: their learning rate over the parameters'. */
  readonly scaleRate?: number;
  /** Keeps averages of parameters and running statistics, this share of them kept each step. */
  readonly averageDecay?: number;
  /** Whether the step takes `batchNormFrozen`. */
  readonly switchesBatchNorm?: boolean;
}

export interface TrainingProgram extends StateLayouts {
  /** ONNX bytes. Outputs: `loss`, one `loss.…` per loss, and `….next` for every vector of the state. */
  readonly model: Uint8Array;
  readonly dataInputs: readonly ValueInfo[];
  /** Values whose gradients were taken: exactly the trained scopes' parameters. */
  readonly differentiated: readonly string[];
  /** Frozen parameter → the initializer of `model` that holds it. */
  readonly frozenInitializers: ReadonlyMap<string, string>;
  /** How each scope was emitted. */
  readonly states: ReadonlyMap<string, TrainState>;
  readonly averageDecay: number | undefined;
}

/** @throws GradientError when an operator without a gradient lies between a trained parameter and a loss. */
export async function compileProgram(request: ProgramRequest): Promise<TrainingProgram> {
  const { network, scopes, placement } = request;
  const layouts = layoutState(network, scopes, placement, request);
  const { averageDecay, switchesBatchNorm = false } = request;
  const frozen = switchesBatchNorm ? 'batchNormFrozen' : undefined;
  const { parameters, statistics, ranges } = layouts;
  const b = new GraphBuilder('v');
  const trained = emitUnpack(b, parameters, 'parameters');
  const running = emitUnpack(b, statistics, 'statistics');
  const scales = new ActivationScales(placement, request.ranges, emitUnpack(b, ranges, 'ranges'));
  const emitter = new ForwardEmitter(b, {
    ...request,
    trained,
    statistics: running,
    ...(frozen === undefined ? {} : { batchNormFrozen: frozen }),
    scaleFor: (by, value, carried) => scales.scaleFor(by, value, carried),
  });
  if (scopes.has(BACKBONE)) emitter.emitInput();
  for (const unit of network.units) emitter.emitUnit(unit);
  const losses = emitLosses(emitter, request.losses);

  const dataInputs = dataInputsOf(request);
  const inputs = [...dataInputs, ...stateInputs(layouts, { averages: averageDecay !== undefined, switchesBatchNorm })];
  const shapes = await measureShapes({ b, nodes: emitter.nodes, own: emitter.own, inputs });
  lower(b, emitter.nodes, shapes);
  const wanted = [...trained.values()];
  const gradients = differentiate(b, emitter.nodes, shapes, losses.total, wanted);
  mergeMasks(b);
  const gradient = emitPack(b, parameters, ({ name, shape }) => {
    const zeros = new Float32Array(elementCount(shape));
    return gradients.get(trained.get(name) as string) ?? b.constant({ dtype: 'float32', shape, data: zeros });
  });
  const updated = emitUpdate(b, request, parameters, gradient);
  const named: (readonly [name: string, value: string])[] = [
    ['loss', losses.total],
    ...losses.named,
    ['parameters.next', updated.parameters],
    ['first.next', updated.first],
    ['second.next', updated.second],
  ];
  const averaged = [updated.parameters];
  if (statistics.length > 0) {
    const moved = emitStatistics(b, statistics, running, emitter.batchStatistics, shapes, request.momentum, frozen);
    named.push(['statistics.next', moved]);
    averaged.push(moved);
  }
  if (ranges.length > 0) named.push(['ranges.next', scales.emitNext(emitter, ranges)]);
  if (averageDecay !== undefined) {
    const values = averaged.length === 1 ? updated.parameters : b.emit('Concat', averaged, { axis: int(0) });
    named.push(['averages.next', emitAverage(b, 'averages', values, 'averageKeep')]);
  }
  for (const [name, value] of named) b.emit('Identity', [value], {}, { outputs: [name] });

  simplify(b, new Set(named.map(([name]) => name)));

  const outputs = named.map(([name]): ValueInfo => ({ name, dtype: 'float32' }));
  return {
    model: encodeModel(b.finish({ name: 'training', opset: TRAINING_OPSET, inputs, outputs })),
    ...layouts,
    dataInputs,
    differentiated: parameters.slots.map((slot) => slot.name),
    frozenInitializers: emitter.frozenInitializers,
    states: request.scopes,
    averageDecay,
  };
}

/** Clipping, the optimiser's step, and what learned scales need: a learning rate of their own and a floor. */
function emitUpdate(b: GraphBuilder, request: ProgramRequest, layout: Layout, gradient: string): OptimizerOutputs {
  const vector = (data: Float32Array, hint: string): string =>
    b.constant({ dtype: 'float32', shape: [layout.length], data }, hint);
  const learnsScales = layout.slots.some(({ name }) => isScaleSlot(name));
  const { clipNorm, scaleRate = 1, decaying = ['weight'] } = request;
  const rates = perSlot(layout, ({ name }) => (isScaleSlot(name) ? scaleRate : 1));
  const stepped = emitOptimizer(b, request.optimizer, {
    parameters: 'parameters',
    gradient: clipNorm === undefined ? gradient : emitClipped(b, gradient, clipNorm),
    first: 'first',
    second: 'second',
    learningRate: learnsScales ? b.emit('Mul', [vector(rates, 'rates'), 'learningRate']) : 'learningRate',
    correction1: 'correction1',
    correction2: 'correction2',
    decayMask: vector(decayMaskOf(request.network, layout, new Set(decaying)), 'mask'),
  });
  if (!learnsScales) return stepped;
  const floor = perSlot(layout, ({ name }) => (isScaleSlot(name) ? EPSILON : -Infinity));
  return { ...stepped, parameters: b.emit('Max', [stepped.parameters, vector(floor, 'floor')]) };
}

function dataInputsOf({ network, scopes, batch, boundaryShapes, targets }: ProgramRequest): readonly ValueInfo[] {
  const image: ValueInfo = { name: network.input.name, dtype: 'float32', shape: [batch, ...network.input.shape] };
  const features = feedsOf(network, new Set(scopes.keys())).map((name): ValueInfo => ({
    name,
    dtype: 'float32',
    shape: [batch, ...(boundaryShapes.get(name) ?? [])],
  }));
  const images = [...(scopes.has(BACKBONE) ? [image] : []), ...features];
  return [...images, ...targets.map(({ name, dtype, shape }): ValueInfo => ({ name, dtype, shape }))];
}
