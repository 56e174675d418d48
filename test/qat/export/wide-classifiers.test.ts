// Linear heads of hundreds of features: onnxruntime packs a constant weight of such a shape for a kernel that adds in another
// order, and leaves the exported file's dequantised one as it is.
import { describe, expect, it } from 'vitest';
import { exportQdq } from '../../../src/qat/export/qdq.ts';
import { compareOutputs } from '../../../src/qat/freeze/compare.ts';
import { int } from '../../../src/qat/onnx/ir.ts';
import { calibrate, quantisedScopes, runReference } from '../checkpoints.ts';
import { runGraph } from '../graphs.ts';
import { randomBatch, w8a8 } from '../networks.ts';
import { BOUNDARY, FEATURES, networkWithHeads } from '../one-backbone.ts';

const WIDE = 512;

describe('a classifier of 512 features', () => {
  it.each(['Gemm', 'Gemm with transB', 'MatMul'])(
    'is exported bit-equal to what was validated: %s',
    async (spelling) => {
      const sizes = { few: 10, some: 66, many: 100 };
      const network = await networkWithHeads((heads) => {
        for (const [name, classes] of Object.entries(sizes)) {
          const wide = heads.relu(heads.conv(BOUNDARY, heads.weight([WIDE, FEATURES, 1, 1]), [], { pad: 0 }));
          const pooled = heads.pooled(wide);
          const transposed = spelling.endsWith('transB');
          const weight = heads.weight(transposed ? [classes, WIDE] : [WIDE, classes]);
          const operands = [pooled, weight, ...(spelling === 'MatMul' ? [] : [heads.weight([classes])])];
          const [op] = spelling.split(' ') as [string];
          heads.output(name, heads.b.emit(op, operands, transposed ? { transB: int(1) } : {}));
        }
        return { few: ['few'], some: ['some'], many: ['many'] };
      });
      const scopes = quantisedScopes(await calibrate(network, w8a8));
      const outputs = Object.keys(sizes);
      const image = randomBatch(5);
      const reference = await runReference(network, { scopes, outputs }, image);
      const shapes = new Map(Object.entries(sizes).map(([name, classes]) => [name, [classes]]));
      const exported = await runGraph(exportQdq(network, scopes, shapes).graph, image);
      expect(compareOutputs(reference, exported).differences).toEqual([]);
    },
  );
});
