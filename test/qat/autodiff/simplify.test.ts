// A graph made as small as it can be: equal nodes once, nothing that no output needs, the same bits.
import { describe, expect, it } from 'vitest';
import { simplify } from '../../../src/qat/autodiff/simplify.ts';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { int } from '../../../src/qat/onnx/ir.ts';
import type { Tensor } from '../../../src/support/tensor.ts';
import { runBuilder } from '../graphs.ts';

const x: Tensor = { dtype: 'float32', shape: [2, 3], data: Float32Array.of(1.5, -2, 0, 3e-40, 7, -1) };

/** (x + 1)² written as two sums and their product, beside a node that nothing reads. */
function squared() {
  const b = new GraphBuilder();
  const [left, right] = [b.emit('Add', ['x', b.scalar(1)]), b.emit('Add', ['x', b.scalar(1)])];
  b.emit('Neg', [left]);
  return { b, y: b.emit('Mul', [left, right]) };
}

const ops = ({ nodes }: GraphBuilder): readonly string[] => nodes.map(({ op }) => op);

describe('a simplified graph', () => {
  it('computes what is equal once, and the same bits', async () => {
    const { b, y } = squared();
    const before = await runBuilder(squared().b, new Map([['x', x]]), [y]);
    simplify(b, new Set([y]));
    expect(ops(b)).toEqual(['Add', 'Mul']);
    const after = await runBuilder(b, new Map([['x', x]]), [y]);
    expect(after.get(y)?.data).toEqual(before.get(y)?.data);
  });

  it('keeps nodes apart whose attributes, inputs or outputs differ', () => {
    const b = new GraphBuilder();
    const mixed = [
      b.emit('Cast', ['x'], { to: int(1) }),
      b.emit('Cast', ['x'], { to: int(7) }),
      b.emit('Sub', ['x', 'y']),
      b.emit('Sub', ['y', 'x']),
      ...b.emitAll('Split', ['x'], { axis: int(0) }, { outputs: 2 }),
      ...b.emitAll('Split', ['x'], { axis: int(0) }, { outputs: ['only', ''] }),
    ];
    const nodes = b.nodes.length;
    simplify(b, new Set(mixed.filter((name) => name !== '')));
    expect(b.nodes).toHaveLength(nodes);
  });

  it('finds equal nodes behind equal nodes', () => {
    const b = new GraphBuilder();
    const chain = (): string => b.emit('Exp', [b.emit('Neg', [b.emit('Abs', ['x'])])]);
    const y = b.emit('Add', [chain(), chain()]);
    simplify(b, new Set([y]));
    expect(ops(b)).toEqual(['Abs', 'Neg', 'Exp', 'Add']);
  });

  it('leaves every output its own name, though two are equal', () => {
    const b = new GraphBuilder();
    const outputs = ['first', 'second'].map((name) => b.emit('Neg', ['x'], {}, { outputs: [name] }));
    simplify(b, new Set(outputs));
    expect(b.nodes.flatMap((node) => node.outputs)).toEqual(outputs);
  });
});
