// onnxruntime's CPU kernels: QLinearConv and its like take a Relu or Clip with them, add residuals in a kernel of its own
// (QLinearAdd), and compute every operator without an integer kernel in float between DequantizeLinear and QuantizeLinear.
import { arithmetic, averaging, layers, moving, noFeature, normalisations, pointwise } from './operators.ts';
import { each } from './table.ts';
import type { TargetTable } from './table.ts';

export const onnxruntime: TargetTable = {
  target: 'onnxruntime',
  outputs: {
    ...each([...layers, ...arithmetic, ...averaging, ...pointwise, ...normalisations], 'quantiser'),
    ...each(moving, 'keeps-grid'),
    Concat: 'quantiser',
    ...each(noFeature, 'no-feature'),
    Cast: 'float',
  },
  fusedActivations: new Set(['Relu', 'Clip']),
  fusesAdd: false,
  bias: 'int32',
  formats: { weights: [4, 8, 16], activations: [4, 8, 16], unsigned: true },
};
