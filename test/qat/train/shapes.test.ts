// Shapes of a training's forward: measured where the model computes, told where headgate does, and the same either way.
import { describe, expect, it } from 'vitest';
import { HEADGATE_DOMAIN } from '../../../src/qat/autodiff/rule.ts';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { int, text } from '../../../src/qat/onnx/ir.ts';
import type { IrNode, ValueInfo } from '../../../src/qat/onnx/ir.ts';
import { measureShapes } from '../../../src/qat/train/shapes.ts';

const inputs: readonly ValueInfo[] = [
  { name: 'x', dtype: 'float32', shape: [2, 3, 5, 7] },
  { name: 'gamma', dtype: 'float32', shape: [4] },
];

/** A layer as the forward has it, every own operator once; only the convolutions are the model's. */
function layer() {
  const b = new GraphBuilder('c');
  const own: IrNode[] = [];
  const nodes: IrNode[] = [];
  const node = (
    op: string,
    from: readonly string[],
    outputs: readonly string[],
    attributes: IrNode['attributes'] = {},
  ) => ({
    op,
    domain: op in headgates ? HEADGATE_DOMAIN : '',
    name: outputs[0] as string,
    inputs: from,
    outputs,
    attributes,
  });
  const mine = (...parts: Parameters<typeof node>): void => {
    const made = node(...parts);
    own.push(made);
    nodes.push(made);
  };
  const fake = { qmin: int(-128), qmax: int(127), rounding: text('divide') };
  const weight = b.floats(
    Array.from({ length: 108 }, () => 0.1),
    [4, 3, 3, 3],
  );
  mine('ReduceMin', ['x'], ['least'], { keepdims: int(0) });
  mine('ReduceMax', ['x'], ['most'], { keepdims: int(0) });
  mine('Reshape', ['least', b.int64([1])], ['least1']);
  mine('Reshape', ['most', b.int64([-1, 1])], ['column']);
  mine('Reshape', ['column', b.int64([1])], ['most1']);
  mine('Concat', ['least1', 'most1'], ['ends'], { axis: int(0) });
  mine('Abs', ['ends'], ['sizes']);
  mine('ReduceMax', ['sizes'], ['scale'], { keepdims: int(0) });
  mine('FakeQuant', ['x', 'scale'], ['x.q', 'x.steps'], fake);
  mine('Abs', [weight], ['w.abs']);
  mine('ReduceMax', ['w.abs', b.int64([1, 2, -1])], ['w.largest'], { keepdims: int(1) });
  mine('Max', [b.scalar(1e-7), 'w.largest'], ['w.scale']);
  mine('LearnedFakeQuant', [weight, 'w.scale'], ['w.q', 'w.ratio'], fake);
  nodes.push(node('Conv', ['x.q', 'w.q'], ['y'], {}));
  mine('BatchNormTrainDivided', ['y', 'gamma', 'gamma', 'gamma'], ['n', 'mean', 'variance', 'u']);
  mine('BatchNormTrain', ['n', 'gamma', 'gamma'], ['m', 'mean2', 'variance2']);
  mine('BatchNormSwitch', ['m', 'gamma', 'gamma', 'gamma', 'gamma', 'scale'], ['s', 'a', 'c', 'd', 'e']);
  nodes.push(
    node('Relu', ['s'], ['r']),
    node('MaxPool', ['r'], ['pooled'], { kernel_shape: { kind: 'ints', value: [2, 2] } }),
  );
  return { b, nodes, own: new Set(own) };
}

const headgates = {
  FakeQuant: 1,
  LearnedFakeQuant: 1,
  BatchNormTrain: 1,
  BatchNormTrainDivided: 1,
  BatchNormSwitch: 1,
};

describe('shapes of a forward', () => {
  it('are the same told as measured', async () => {
    const { b, nodes, own } = layer();
    const measured = await measureShapes({ b, nodes, inputs });
    expect(measured.get('pooled')).toEqual([2, 4, 2, 4]);
    expect(await measureShapes({ b, nodes, own, inputs })).toEqual(measured);
  });

  it('are refused where an own node stretches the value that it was to stand in for', async () => {
    const b = new GraphBuilder('c');
    const wide: IrNode = {
      op: 'Add',
      domain: '',
      name: 'wide',
      inputs: ['gamma', 'x1'],
      outputs: ['y'],
      attributes: {},
    };
    const next: IrNode = { op: 'Relu', domain: '', name: 'next', inputs: ['y'], outputs: ['z'], attributes: {} };
    const wider = [...inputs, { name: 'x1', dtype: 'float32', shape: [3, 4] } as const];
    const asked = measureShapes({ b, nodes: [wide, next], own: new Set([wide]), inputs: wider });
    await expect(asked).rejects.toThrow('node "next": "y" has not the shape of "gamma"');
  });
});
