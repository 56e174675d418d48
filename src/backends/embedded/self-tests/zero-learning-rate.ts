// Self-test of QAT: some steps at learning rate 0, ranges that follow with c = 0 and batch norm frozen leave every weight,
// statistic, range and scale of the stage's quantised scope as it was, so that its accuracy is the calibrated one exactly. The
// loss is the squared output, which has a gradient everywhere and needs no ground truth.
import { evaluationBatches, ImageBatcher } from '../../../data/batches.ts';
import { compareCheckpoints } from '../../../qat/freeze/compare.ts';
import { BACKBONE } from '../../../qat/network/network.ts';
import type { ScopeForward } from '../../../qat/network/reference.ts';
import { placementFor } from '../../../qat/network/reference.ts';
import type { QuantState } from '../../../qat/quantize/checkpoint.ts';
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
import type { ForwardRunner } from '../forward-runner.ts';
import { describeDifference } from '../probe.ts';
import { scopeWeightScales } from '../quantised-scope.ts';
import { headOf } from '../settings.ts';
import { outputOf } from '../tasks.ts';
import { fails, holds, runOnce } from './self-test.ts';
import type { SelfTest, Subject } from './self-test.ts';

const STEPS = 2;
/** Decay works through the learning rate: with it on, a decay that did not would show. */
const optimizer: OptimizerSettings = { kind: 'adamw', weightDecay: 0.1 };

export const zeroLearningRate: SelfTest = async (subject) => {
  const { network, scopes, task, request, batch } = subject;
  const [backbone, head] = [scopes.get(BACKBONE), scopes.get(headOf(task))];
  if (backbone?.state !== 'VALIDATION' || head === undefined) return fails('no scope of the stage is quantised');
  const [scope, { checkpoint }] = head.state === 'VALIDATION' ? [headOf(task), head] : [BACKBONE, backbone];
  const quant = checkpoint.quant as QuantState;
  const placement = placementFor(network, scopes);
  const sources = sourcesOf(subject, scope, quant, placement);
  const runner = scope === BACKBONE ? undefined : await startBackbone(network, backbone, batch, request.threads);
  const output = outputOf(network, task);
  const target: Tensor = zeros((await runOnce(subject, scopes)).get(output)?.shape ?? []);
  const program = await compileProgram({
    network,
    scopes: trainStates(scope, headOf(task)),
    placement,
    constants: head.checkpoint.parameters,
    ranges: quant.activations,
    ...sources,
    losses: [{ kind: 'distill', output, target: 'target', weight: 1 }],
    targets: [{ name: 'target', dtype: 'float32', shape: target.shape }],
    batch,
    boundaryShapes: runner === undefined ? new Map() : await valueShapesOf(network, runner, batch),
    optimizer,
    momentum: 0.1,
  });
  const { parameters, activations: ranges, weights: weightScales } = { ...checkpoint, ...quant };
  const trainer = await Trainer.start(program, optimizer, request.threads, { parameters, ranges, weightScales });
  for (const images of batchesOf(subject)) {
    const feeds = runner === undefined ? images : await runner.run(images);
    await trainer.step(new Map([...feeds, ['target', target]]), { learningRate: 0, averagingConstant: 0 });
  }
  const moved = { ...checkpoint, parameters: new Map([...parameters, ...trainer.parameters()]) };
  const activations = new Map([...ranges, ...trainer.ranges(placement)]);
  const derived = scopeWeightScales(network, placement, scope, moved.parameters);
  const weights = new Map([...derived, ...trainer.weightScales(placement)]);
  await releaseAll(trainer, runner);
  const { differences, tensors } = compareCheckpoints(checkpoint, {
    ...moved,
    quant: { ...quant, activations, weights },
  });
  const [difference] = differences;
  if (difference !== undefined)
    return fails(`QAT at learning rate 0 moves "${scope}": ${describeDifference(difference)}`);
  return holds(`QAT at learning rate 0 leaves ${tensors} tensors of "${scope}" bit-equal`);
};

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

function batchesOf({ network, dataset, batch }: Subject): readonly ReadonlyMap<string, Tensor>[] {
  const batcher = new ImageBatcher(dataset);
  const batches = evaluationBatches(dataset.count, batch).slice(0, STEPS);
  return batches.map(({ indices }) => new Map([[network.input.name, batcher.images(indices)]]));
}

async function releaseAll(trainer: Trainer, runner: ForwardRunner | undefined): Promise<void> {
  await Promise.all([trainer.release(), runner?.release()]);
}
