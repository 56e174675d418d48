// Operators by what they do to values, as all targets see them: the tables are put together from these lists.

/** Operators with constant weights. */
export const layers: readonly string[] = ['Conv', 'ConvTranspose', 'Gemm', 'MatMul'];

/** Each output value is one of the input's, or zero. */
export const moving: readonly string[] = [
  'Identity',
  'Reshape',
  'Flatten',
  'Squeeze',
  'Unsqueeze',
  'Transpose',
  'Slice',
  'Split',
  'Pad',
  'Gather',
  'GatherElements',
  'GatherND',
  'Expand',
  'Tile',
  'DepthToSpace',
  'SpaceToDepth',
  'MaxPool',
  'GlobalMaxPool',
  'ReduceMax',
  'ReduceMin',
  'Resize(nearest)',
  'GridSample(nearest)',
];

/** New values from one or several feature maps. */
export const arithmetic: readonly string[] = [
  'Add',
  'Sub',
  'Mul',
  'Div',
  'Sum',
  'Mean',
  'Max',
  'Min',
  'Where',
  'Einsum',
  'ScatterND',
  'ScatterElements',
];

/** Averages of neighbours: interpolation and pooling. */
export const averaging: readonly string[] = [
  'AveragePool',
  'GlobalAveragePool',
  'ReduceMean',
  'ReduceSum',
  'Resize(linear)',
  'Resize(cubic)',
  'GridSample(bilinear)',
  'GridSample(linear)',
  'GridSample(bicubic)',
  'GridSample(cubic)',
  'Pad(value)',
];

/** Functions of one value. */
export const pointwise: readonly string[] = [
  'Relu',
  'LeakyRelu',
  'PRelu',
  'Clip',
  'Sigmoid',
  'Tanh',
  'HardSigmoid',
  'HardSwish',
  'SiLU',
  'Elu',
  'Selu',
  'Softplus',
  'Mish',
  'Gelu',
  'Erf',
  'Exp',
  'Log',
  'Sqrt',
  'Reciprocal',
  'Pow',
  'Abs',
  'Neg',
  'Sin',
  'Cos',
];

export const normalisations: readonly string[] = [
  'BatchNormalization',
  'LayerNormalization',
  'InstanceNormalization',
  'LpNormalization',
  'Softmax',
  'LogSoftmax',
];

/** Integers and truth values: shapes, positions, comparisons. */
export const noFeature: readonly string[] = [
  'Shape',
  'Size',
  'ConstantOfShape',
  'Range',
  'NonZero',
  'ArgMax',
  'ArgMin',
  'Equal',
  'Greater',
  'GreaterOrEqual',
  'Less',
  'LessOrEqual',
  'And',
  'Or',
  'Not',
];
