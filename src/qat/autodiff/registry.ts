// The table of gradient rules, by operator. An operator that is not here is refused by name.
import type { GradientRule } from './rule.ts';
import { activationRules } from './rules/activations.ts';
import { arithmeticRules } from './rules/arithmetic.ts';
import { batchNormalization, batchNormSwitch, batchNormTrain, batchNormTrainDivided } from './rules/batch-norm.ts';
import { convTranspose } from './rules/conv-transpose.ts';
import { conv } from './rules/conv.ts';
import { crossEntropy } from './rules/cross-entropy.ts';
import { dice } from './rules/dice.ts';
import { softTargets } from './rules/distillation.ts';
import {
  binaryCrossEntropy,
  focal,
  meanAbsoluteError,
  meanSquaredError,
  smoothL1,
} from './rules/elementwise-losses.ts';
import { fakeQuant } from './rules/fake-quant.ts';
import { focalHeatmap } from './rules/focal-heatmap.ts';
import { functionRules } from './rules/functions.ts';
import { gatherRules } from './rules/gather.ts';
import { gridSampleRules } from './rules/grid-sample.ts';
import { learnedFakeQuant } from './rules/learned-fake-quant.ts';
import { matrixRules } from './rules/matrix.ts';
import { normalisationRules } from './rules/normalisation.ts';
import { poolingRules } from './rules/pooling.ts';
import { reductionRules } from './rules/reductions.ts';
import { resizeRules } from './rules/resize.ts';
import { shapeRules } from './rules/shape.ts';
import { slicingRules } from './rules/slicing.ts';
import { softmaxRules } from './rules/softmax.ts';
import { rulesWithoutGradient } from './rules/without-gradient.ts';

/** Keys are `Op` for the standard domain and `domain.Op` for others. */
export const gradientRules: ReadonlyMap<string, GradientRule> = new Map<string, GradientRule>([
  ['Conv', conv],
  ['ConvTranspose', convTranspose],
  ['BatchNormalization', batchNormalization],
  ...Object.entries(normalisationRules),
  ...Object.entries(matrixRules),
  ...Object.entries(poolingRules),
  ...Object.entries(resizeRules),
  ...Object.entries(gridSampleRules),
  ...Object.entries(arithmeticRules),
  ...Object.entries(functionRules),
  ...Object.entries(activationRules),
  ...Object.entries(softmaxRules),
  ...Object.entries(reductionRules),
  ...Object.entries(shapeRules),
  ...Object.entries(slicingRules),
  ...Object.entries(gatherRules),
  ...Object.entries(rulesWithoutGradient),
  ['headgate.BatchNormTrain', batchNormTrain],
  ['headgate.BatchNormTrainDivided', batchNormTrainDivided],
  ['headgate.BatchNormSwitch', batchNormSwitch],
  ['headgate.FakeQuant', fakeQuant],
  ['headgate.LearnedFakeQuant', learnedFakeQuant],
  ['headgate.FocalHeatmap', focalHeatmap],
  ['headgate.CrossEntropy', crossEntropy],
  ['headgate.MeanSquaredError', meanSquaredError],
  ['headgate.MeanAbsoluteError', meanAbsoluteError],
  ['headgate.SmoothL1', smoothL1],
  ['headgate.BinaryCrossEntropy', binaryCrossEntropy],
  ['headgate.Focal', focal],
  ['headgate.Dice', dice],
  ['headgate.SoftTargets', softTargets],
]);

/** The key of the table. */
export function ruleKey(op: string, domain: string): string {
  return domain === '' ? op : `${domain}.${op}`;
}
