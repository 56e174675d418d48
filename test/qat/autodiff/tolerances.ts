// How closely each rule must agree with PyTorch, and why no closer. Every rule that has a gradient is here.

interface Tolerance {
  /** Largest difference over largest reference. */
  readonly limit: number;
  readonly because: string;
}

const exact: Tolerance = { limit: 0, because: 'values are moved, masked or copied, never rounded' };
const rounded: Tolerance = { limit: 5e-7, because: 'a product or a few, each rounded to float32 once' };
const curved: Tolerance = {
  limit: 2e-6,
  because: 'the runtime approximates exp, erf and their kind to a few units in the last place',
};
const summed: Tolerance = { limit: 2e-6, because: 'sums of up to some hundred float32 products, in another order' };
const cancelling: Tolerance = {
  limit: 1e-5,
  because: 'differences of means and sums: what cancels leaves the rounding of larger numbers behind',
};
const saturated: Tolerance = {
  limit: 2e-4,
  because: 'one case has logits of ±100, where dy − Σ dy·y cancels to some 1e-3 of its terms',
};

export const tolerances: { readonly [rule: string]: Tolerance } = {
  ...all(exact, 'Identity Dropout Cast Reshape Flatten Squeeze Unsqueeze Transpose DepthToSpace SpaceToDepth'),
  ...all(exact, 'Concat Split Slice TopK Neg Abs Relu ThresholdedRelu ReduceL1'),
  ...all(
    rounded,
    'Add Sub Mul Div Sum Mean Max Min LeakyRelu PRelu HardSigmoid HardSwish Softsign Reciprocal Sqrt Log',
  ),
  ...all(rounded, 'Atan ReduceSum ReduceMean ReduceMax ReduceMin ReduceSumSquare Expand Tile Pad'),
  ...all(
    rounded,
    'Where Gather GatherElements GatherND ScatterElements ScatterND MaxPool AveragePool GlobalAveragePool GlobalMaxPool',
  ),
  ...all(curved, 'Exp Sin Cos Tan Asin Acos Sinh Cosh Tanh Erf Pow Sigmoid Softplus Mish Gelu Elu Selu Celu'),
  ...all(curved, 'LogSoftmax ReduceProd ReduceL2 ReduceLogSum ReduceLogSumExp CumSum'),
  ...all(summed, 'Conv ConvTranspose MatMul Gemm Einsum Resize GridSample'),
  ...all(cancelling, 'BatchNormalization LayerNormalization InstanceNormalization GroupNormalization'),
  ...all(cancelling, 'LpNormalization LRN Clip'),
  ...all(saturated, 'Softmax'),
};

function all(tolerance: Tolerance, rules: string): { readonly [rule: string]: Tolerance } {
  return Object.fromEntries(rules.split(' ').map((rule) => [rule, tolerance]));
}
