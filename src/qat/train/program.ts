// A training program: forward, losses, backward and optimiser of some scopes as one ONNX graph, one call a step.
// State (parameters, moments, running statistics, observed ranges) goes in and comes out as flat vectors; a frozen scope's
// parameters are constants of the graph and have no gradient, no moment and no place in the vectors.
import { GraphBuilder } from '../onnx/builder.ts';
import { encodeModel } from '../onnx/codec.ts';
import type { ValueInfo } from '../onnx/ir.ts';
import { differentiate, lower } from '../autodiff/differentiate.ts';
import { BACKBONE } from '../network/network.ts';
import type { Network } from '../network/network.ts';
import type { Parameters } from '../network/fold.ts';
import { feedsOf, TRAINING_OPSET } from '../network/reference.ts';
import type { Placement } from '../quantize/placement.ts';
import type { Range } from '../quantize/checkpoint.ts';
import { elementCount } from '../../support/tensor.ts';
import type { DType } from '../../support/tensor.ts';
import { ActivationScales } from './activation-scales.ts';
import { ForwardEmitter } from './forward.ts';
import type { TrainState } from './forward.ts';
import { emitPack, emitUnpack } from './layout.ts';
import { emitLosses } from './losses.ts';
import type { LossSpec } from './losses.ts';
import { emitOptimizer } from './optimizer.ts';
import type { OptimizerSettings } from './optimizer.ts';
import { measureShapes } from './shapes.ts';
import { decayMaskOf, emitStatistics, layoutState, stateInputs } from './state.ts';
import type { StateLayouts } from './state.ts';

/** A tensor that every step is fed besides images or boundary features. */
export interface TargetSpec {
  readonly name: string;
  readonly dtype: DType & ('float32' | 'int32');
  /** With the batch dimension. */
  readonly shape: readonly number[];
}

export interface ProgramRequest {
  readonly network: Network;
  /** Scopes inside the graph. Without the backbone, its boundary tensors are fed. */
  readonly scopes: ReadonlyMap<string, TrainState>;
  readonly placement: Placement;
  /** Parameters of the frozen scopes. */
  readonly constants: Parameters;
  /** Scales of QAT scopes: 'fixed' keeps them, 'follow' moves min and max by `averagingConstant` each step. */
  readonly ranges: ReadonlyMap<string, Range>;
  readonly activationScales: 'fixed' | 'follow';
  readonly losses: readonly LossSpec[];
  readonly targets: readonly TargetSpec[];
  readonly batch: number;
  /** [C, H, W] of each boundary tensor; read where the backbone is not among the scopes. */
  readonly boundaryShapes: ReadonlyMap<string, readonly number[]>;
  readonly optimizer: OptimizerSettings;
  /** Of running statistics; PyTorch's default is 0.1. */
  readonly momentum: number;
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
}

/** @throws GradientError when an operator without a gradient lies between a trained parameter and a loss. */
export async function compileProgram(request: ProgramRequest): Promise<TrainingProgram> {
  const { network, scopes, placement } = request;
  const layouts = layoutState(network, scopes, placement, request.activationScales);
  const { parameters, statistics, ranges } = layouts;
  const b = new GraphBuilder('v');
  const trained = emitUnpack(b, parameters, 'parameters');
  const running = emitUnpack(b, statistics, 'statistics');
  const scales = new ActivationScales(placement, request.ranges, emitUnpack(b, ranges, 'ranges'));
  const emitter = new ForwardEmitter(b, {
    ...request,
    trained,
    statistics: running,
    scaleFor: (by, value, carried) => scales.scaleFor(by, value, carried),
  });
  if (scopes.has(BACKBONE)) emitter.emitInput();
  for (const unit of network.units) emitter.emitUnit(unit);
  const losses = emitLosses(emitter, request.losses);

  const dataInputs = dataInputsOf(request);
  const inputs = [...dataInputs, ...stateInputs(layouts)];
  const shapes = await measureShapes({ b, nodes: emitter.nodes, inputs });
  lower(b, emitter.nodes, shapes);
  const wanted = [...trained.values()];
  const gradients = differentiate(b, emitter.nodes, shapes, losses.total, wanted);
  const gradient = emitPack(b, parameters, ({ name, shape }) => {
    const zeros = new Float32Array(elementCount(shape));
    return gradients.get(trained.get(name) as string) ?? b.constant({ dtype: 'float32', shape, data: zeros });
  });
  const optimized = emitOptimizer(b, request.optimizer, {
    parameters: 'parameters',
    gradient,
    first: 'first',
    second: 'second',
    learningRate: 'learningRate',
    correction1: 'correction1',
    correction2: 'correction2',
    decayMask: b.constant(
      { dtype: 'float32', shape: [parameters.length], data: decayMaskOf(network, parameters) },
      'mask',
    ),
  });
  const named: (readonly [name: string, value: string])[] = [
    ['loss', losses.total],
    ...losses.named,
    ['parameters.next', optimized.parameters],
    ['first.next', optimized.first],
    ['second.next', optimized.second],
  ];
  if (statistics.length > 0) {
    const moved = emitStatistics(b, statistics, running, emitter.batchStatistics, shapes, request.momentum);
    named.push(['statistics.next', moved]);
  }
  if (ranges.length > 0) named.push(['ranges.next', scales.emitNext(emitter, ranges)]);
  for (const [name, value] of named) b.emit('Identity', [value], {}, { outputs: [name] });

  const outputs = named.map(([name]): ValueInfo => ({ name, dtype: 'float32' }));
  return {
    model: encodeModel(b.finish({ name: 'training', opset: TRAINING_OPSET, inputs, outputs })),
    ...layouts,
    dataInputs,
    differentiated: parameters.slots.map((slot) => slot.name),
    frozenInitializers: emitter.frozenInitializers,
    states: request.scopes,
  };
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
