// Self-test of QAT: some steps at learning rate 0, ranges that follow with c = 0 and batch norm frozen leave every weight,
// statistic, range and scale of the stage's quantised scope as it was, so that its accuracy is the calibrated one exactly.
import { evaluationBatches, ImageBatcher } from '../../../data/batches.ts';
import { compareCheckpoints } from '../../../qat/freeze/compare.ts';
import { scopeWeightScales } from '../../../qat/quantize/deploy.ts';
import { describeDifference } from '../probe.ts';
import { fails, holds, NOTHING_QUANTISED } from './self-test.ts';
import type { SelfTest } from './self-test.ts';
import { startStillTraining } from './still-training.ts';

const STEPS = 2;

export const zeroLearningRate: SelfTest = async (subject) => {
  const training = await startStillTraining(subject);
  if (training === undefined) return fails(NOTHING_QUANTISED);
  const { network, dataset, batch } = subject;
  const { trainer, scope, checkpoint, quant, placement } = training;
  const batcher = new ImageBatcher(dataset);
  for (const { indices } of evaluationBatches(dataset.count, batch).slice(0, STEPS)) {
    await training.step(batcher.images(indices));
  }
  const parameters = new Map([...checkpoint.parameters, ...trainer.parameters()]);
  const activations = new Map([...quant.activations, ...trainer.ranges(placement)]);
  const derived = scopeWeightScales(network, placement, scope, parameters);
  const weights = new Map([...derived, ...trainer.weightScales(placement)]);
  await training.release();
  const { differences, tensors } = compareCheckpoints(checkpoint, {
    ...checkpoint,
    parameters,
    quant: { ...quant, activations, weights },
  });
  const [difference] = differences;
  if (difference !== undefined)
    return fails(`QAT at learning rate 0 moves "${scope}": ${describeDifference(difference)}`);
  return holds(`QAT at learning rate 0 leaves ${tensors} tensors of "${scope}" bit-equal`);
};
