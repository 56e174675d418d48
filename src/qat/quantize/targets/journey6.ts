// Journey 6 as its published toolchain describes it: convolution, batch norm, residual and Relu are one operator with one
// quantiser after all of it; other activations are table look-ups on quantised values; concatenation requantises.
import { arithmetic, averaging, layers, moving, noFeature, normalisations, pointwise } from './operators.ts';
import { each } from './table.ts';
import type { TargetTable } from './table.ts';

export const journey6: TargetTable = {
  target: 'journey6',
  outputs: {
    ...each([...layers, ...arithmetic, ...averaging, ...pointwise, ...normalisations], 'quantiser'),
    ...each(moving, 'keeps-grid'),
    Concat: 'quantiser',
    ...each(noFeature, 'no-feature'),
    Cast: 'float',
  },
  fusedActivations: new Set(['Relu', 'Clip']),
  fusesAdd: true,
  bias: 'int32',
  formats: { weights: [4, 8, 16], activations: [4, 8, 16], unsigned: true },
};
