// Operators that have no gradient, each with the reason. 'no-gradient': the derivative is zero wherever it exists, so
// nothing flows back. 'refuse': there is or may be one, and headgate does not have it.
import type { GradientRule, RuleTable } from '../rule.ts';

const none = (why: string): GradientRule => ({ kind: 'no-gradient', why });
const refuse = (why: string): GradientRule => ({ kind: 'refuse', why });

const index = none('its output is an index, piecewise constant in its input');
const step = none('piecewise constant in its input');
const logical = none('its output is a truth value, piecewise constant in its inputs');
const shape = none('it depends on the shape of its input, not on the values');
const constant = none('it has no differentiable input');
const dynamicShape = refuse('the shape of its output depends on the data, and a training graph has fixed shapes');
const controlFlow = refuse('control flow has no gradient here: cut the model before it');
const recurrent = refuse('recurrent operators are not supported: keep this part out of the trained scopes');
const random = refuse('it is random, and a training must be the same every time');
const quantised = refuse('the model is already quantised: import the float model it was made from');
const integer = refuse('it computes on integers');

export const rulesWithoutGradient: RuleTable = {
  ArgMax: index,
  ArgMin: index,
  OneHot: index,
  Hardmax: step,
  Round: step,
  Floor: step,
  Ceil: step,
  Sign: step,
  Equal: logical,
  Greater: logical,
  GreaterOrEqual: logical,
  Less: logical,
  LessOrEqual: logical,
  Not: logical,
  And: logical,
  Or: logical,
  Xor: logical,
  IsNaN: logical,
  IsInf: logical,
  Shape: shape,
  Size: shape,
  ConstantOfShape: constant,
  Constant: constant,
  Range: constant,
  EyeLike: constant,
  NonZero: dynamicShape,
  NonMaxSuppression: dynamicShape,
  Unique: dynamicShape,
  Compress: dynamicShape,
  If: controlFlow,
  Loop: controlFlow,
  Scan: controlFlow,
  LSTM: recurrent,
  GRU: recurrent,
  RNN: recurrent,
  RandomNormal: random,
  RandomNormalLike: random,
  RandomUniform: random,
  RandomUniformLike: random,
  Bernoulli: random,
  Multinomial: random,
  QuantizeLinear: quantised,
  DequantizeLinear: quantised,
  DynamicQuantizeLinear: quantised,
  QLinearConv: quantised,
  QLinearMatMul: quantised,
  ConvInteger: integer,
  MatMulInteger: integer,
  BitShift: integer,
  MaxRoiPool: refuse('the bounds of its windows come from data: cut the model before it'),
  MaxUnpool: refuse('overlapping windows make its result ambiguous'),
};
