// The table of gradient rules, by operator. An operator that is not here is refused by name.
import type { GradientRule } from './rule.ts';
import { batchNormalization, batchNormSwitch, batchNormTrain } from './rules/batch-norm.ts';
import { conv } from './rules/conv.ts';
import { add, div, identity, mul, relu, reshape, sigmoid, sub } from './rules/elementwise.ts';
import { fakeQuant } from './rules/fake-quant.ts';
import { learnedFakeQuant } from './rules/learned-fake-quant.ts';
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
import { focalHeatmap } from './rules/focal-heatmap.ts';
import { concat, resize } from './rules/structure.ts';

/** Keys are `Op` for the standard domain and `domain.Op` for others. */
export const gradientRules: ReadonlyMap<string, GradientRule> = new Map([
  ['Add', add],
  ['Sub', sub],
  ['Mul', mul],
  ['Div', div],
  ['Relu', relu],
  ['Sigmoid', sigmoid],
  ['Identity', identity],
  ['Reshape', reshape],
  ['Conv', conv],
  ['Concat', concat],
  ['Resize', resize],
  ['BatchNormalization', batchNormalization],
  ['headgate.BatchNormTrain', batchNormTrain],
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
