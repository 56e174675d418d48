// Training that self-tests run: the stage's quantised scope compiled for QAT, with everything that could move held still
// (learning rate 0, c = 0, batch norm frozen). The loss is the squared output, which has a gradient everywhere and needs no
// ground truth.
import { BACKBONE } from '../../../qat/network/network.ts';
import { placementFor } from '../../../qat/network/reference.ts';
import type { ScopeForward } from '../../../qat/network/reference.ts';
import type { QuantState, ScopeCheckpoint } from '../../../qat/quantize/checkpoint.ts';
import { scopeWeightScales } from '../../../qat/quantize/deploy.ts';
import type { Placement } from '../../../qat/quantize/placement.ts';
import { scaleOf } from '../../../qat/quantize/scheme.ts';
import type { TrainState } from '../../../qat/train/forward.ts';
import type { OptimizerSettings } from '../../../qat/train/optimizer.ts';
import { compileProgram } from '../../../qat/train/program.ts';
import type { ScaleSources } from '../../../qat/train/state.ts';
import { Trainer } from '../../../qat/train/trainer.ts';
import { zeros } from '../../../support/tensor.ts';
import type { Tensor } from '../../../support/tensor.ts';
import { startBackbone, valueShapesOf } from '../forward-runner.ts';
import { headOf } from '../settings.ts';
import { outputOf } from '../tasks.ts';
import { runOnce } from './self-test.ts';
import type { Subject } from './self-test.ts';

/** Decay works through the learning rate: with it on, a decay that did not would show. */
const optimizer: OptimizerSettings = { kind: 'adamw', weightDecay: 0.1 };

export interface StillTraining {
  readonly trainer: Trainer;
  /** The head where it is quantised, else the backbone. */
  readonly scope: string;
  readonly checkpoint: ScopeCheckpoint;
  readonly quant: QuantState;
  readonly placement: Placement;
  /** @param images [batch, …] */
  readonly step: (images: Tensor) => Promise<void>;
  readonly release: () => Promise<void>;
}

/** @returns undefined where no scope of the stage is quantised. */
export async function startStillTraining(subject: Subject): Promise<StillTraining | undefined> {
  const { network, scopes, task, request, batch } = subject;
  const [backbone, head] = [scopes.get(BACKBONE), scopes.get(headOf(task))];
  if (backbone?.state !== 'VALIDATION' || head === undefined) return undefined;
  const [scope, { checkpoint }] = head.state === 'VALIDATION' ? [headOf(task), head] : [BACKBONE, backbone];
  const quant = checkpoint.quant as QuantState;
  const placement = placementFor(network, scopes);
  const runner = scope === BACKBONE ? undefined : await startBackbone(network, backbone, batch, request.threads);
  const output = outputOf(network, task);
  const target: Tensor = zeros((await runOnce(subject, scopes)).get(output)?.shape ?? []);
  const program = await compileProgram({
    network,
    scopes: trainStates(scope, headOf(task)),
    placement,
    constants: head.checkpoint.parameters,
    ranges: quant.activations,
    ...sourcesOf(subject, scope, quant, placement),
    losses: [{ kind: 'distill', output, target: 'target', weight: 1 }],
    targets: [{ name: 'target', dtype: 'float32', shape: target.shape }],
    batch,
    boundaryShapes: runner === undefined ? new Map() : await valueShapesOf(network, runner, batch),
    optimizer,
    momentum: 0.1,
  });
  const { parameters, activations: ranges, weights: weightScales } = { ...checkpoint, ...quant };
  const trainer = await Trainer.start(program, optimizer, request.threads, { parameters, ranges, weightScales });
  return {
    trainer,
    scope,
    checkpoint,
    quant,
    placement,
    step: async (images) => {
      const input = new Map([[network.input.name, images]]);
      const feeds = runner === undefined ? input : await runner.run(input);
      await trainer.step(new Map([...feeds, ['target', target]]), { learningRate: 0, averagingConstant: 0 });
    },
    release: async () => {
      await Promise.all([trainer.release(), runner?.release()]);
    },
  };
}

/** The quantised head on its frozen backbone, which runs beside the graph; or the quantised backbone under the float head. */
function trainStates(scope: string, head: string): ReadonlyMap<string, TrainState> {
  const trained: TrainState = { state: 'QAT', trained: true, batchNorm: 'frozen' };
  if (scope !== BACKBONE) return new Map([[scope, trained]]);
  const frozen: TrainState = { state: 'FLOAT', trained: false, batchNorm: 'frozen' };
  return new Map<string, TrainState>([
    [BACKBONE, trained],
    [head, frozen],
  ]);
}

/** Scales that QAT learned follow from nothing else: they are taken as learned where those of a QAT checkpoint do not. */
function sourcesOf({ network, scopes }: Subject, scope: string, quant: QuantState, placement: Placement): ScaleSources {
  const { state, parameters } = (scopes.get(scope) as ScopeForward).checkpoint;
  if (state !== 'qat') return { activationScales: 'follow' };
  const derived = scopeWeightScales(network, placement, scope, parameters);
  const weightsFollow = [...derived].every(([weight, scales]) =>
    scales.every((scale, channel) => scale === quant.weights.get(weight)?.[channel]),
  );
  const rangesFollow = [...quant.activations].every(([value, { min, max, scale }]) => {
    const format = placement.ranges.get(value)?.format;
    return format === undefined || scaleOf(min, max, format) === scale;
  });
  return {
    activationScales: rangesFollow ? 'follow' : 'learned',
    weightScales: weightsFollow ? 'derived' : 'learned',
  };
}
