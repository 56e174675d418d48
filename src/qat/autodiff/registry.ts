// The table of gradient rules, by operator. An operator that is not here is refused by name.
import type { GradientRule } from './rule.ts';
import { batchNormalization, batchNormTrain } from './rules/batch-norm.ts';
import { conv } from './rules/conv.ts';
import { add, div, identity, mul, relu, reshape, sigmoid, sub } from './rules/elementwise.ts';
import { fakeQuant } from './rules/fake-quant.ts';
import { crossEntropy, focalHeatmap, meanSquaredError } from './rules/losses.ts';
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
  ['headgate.FakeQuant', fakeQuant],
  ['headgate.FocalHeatmap', focalHeatmap],
  ['headgate.CrossEntropy', crossEntropy],
  ['headgate.MeanSquaredError', meanSquaredError],
]);

/** The key of the table. */
export function ruleKey(op: string, domain: string): string {
  return domain === '' ? op : `${domain}.${op}`;
}
