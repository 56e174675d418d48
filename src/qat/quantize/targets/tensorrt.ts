// TensorRT's explicit quantisation: symmetric int8 only, quantisers before the layers that run in int8 and on the other branch
// of a residual, none between a layer and the pointwise operators that are fused into it; biases, softmax and layer
// normalisation stay in floating point; what is concatenated has one scale, so that nothing is requantised.
import { arithmetic, averaging, layers, moving, noFeature, normalisations, pointwise } from './operators.ts';
import { each } from './table.ts';
import type { TargetTable } from './table.ts';

export const tensorrt: TargetTable = {
  target: 'tensorrt',
  outputs: {
    ...each([...layers, ...arithmetic, ...pointwise, ...normalisations], 'float'),
    ...each(['Add', ...averaging], 'quantiser'),
    ...each(moving, 'keeps-grid'),
    Concat: 'shares-scale',
    ...each(noFeature, 'no-feature'),
    Cast: 'float',
  },
  fusedActivations: new Set(pointwise),
  fusesAdd: true,
  bias: 'float',
  formats: { weights: [8], activations: [8], unsigned: false },
};
