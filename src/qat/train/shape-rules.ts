// Output shapes of the operators that headgate itself puts into a training's forward: quantisers, scales, batch norms. Not of
// what a model may hold: those are measured (shapes.ts), so that there is no shape inference to keep in step with ONNX.
import { ruleKey } from '../autodiff/registry.ts';
import { axisOf } from '../autodiff/rule.ts';
import { intOf } from '../onnx/ir.ts';
import type { IrNode } from '../onnx/ir.ts';
import { elementCount } from '../../support/tensor.ts';

type Shape = readonly number[];

export interface ShapeContext {
  readonly node: IrNode;
  /** Of an input, by its place. */
  shape(input: number): Shape;
  /** The numbers of a constant input; undefined where it is left out. */
  constant(input: number): readonly number[] | undefined;
}

interface ShapeRule {
  /** Whether the first output has the first input's shape: it may stand in for it. */
  readonly likeFirst: boolean;
  /** One shape for each output. */
  readonly outputs: (context: ShapeContext) => readonly Shape[];
}

const like: ShapeRule = {
  likeFirst: true,
  outputs: ({ node, shape }) => node.outputs.map(() => shape(0)),
};

/** In headgate's own nodes that a layer reads, what is stretched stands second. */
const broadcast: ShapeRule = {
  likeFirst: true,
  outputs: ({ node, shape }) => [node.inputs.map((_, index) => shape(index)).reduce(stretched)],
};

/** Values first, then statistics per channel; `again` more like the values. */
const batchNorm = (statistics: number, again: number): ShapeRule => ({
  likeFirst: true,
  outputs: ({ shape }) => [
    shape(0),
    ...Array.from({ length: statistics }, () => shape(1)),
    ...Array.from({ length: again }, () => shape(0)),
  ],
});

const reduction: ShapeRule = {
  likeFirst: false,
  outputs: ({ node, shape, constant }) => {
    const rank = shape(0).length;
    const axes = new Set(constant(1)?.map((axis) => axisOf(axis, rank)) ?? shape(0).keys());
    const kept = intOf(node, 'keepdims', 1) === 1;
    return [shape(0).flatMap((size, axis) => (axes.has(axis) ? (kept ? [1] : []) : [size]))];
  },
};

const reshape: ShapeRule = {
  likeFirst: false,
  outputs: ({ shape, constant }) => {
    const asked = constant(1) ?? [];
    const rest = elementCount(shape(0)) / elementCount(asked.filter((size) => size !== -1));
    return [asked.map((size) => (size === -1 ? rest : size))];
  },
};

const concat: ShapeRule = {
  likeFirst: false,
  outputs: ({ node, shape }) => {
    const shapes = node.inputs.map((_, index) => shape(index));
    const along = axisOf(intOf(node, 'axis', 0), shape(0).length);
    const total = shapes.reduce((sum, sizes) => sum + (sizes[along] as number), 0);
    return [shape(0).map((size, axis) => (axis === along ? total : size))];
  },
};

const split: ShapeRule = {
  likeFirst: false,
  outputs: ({ node, shape, constant }) => {
    const along = axisOf(intOf(node, 'axis', 0), shape(0).length);
    return (constant(1) ?? []).map((part) => shape(0).map((size, axis) => (axis === along ? part : size)));
  },
};

const rules: ReadonlyMap<string, ShapeRule> = new Map([
  ...['Abs', 'Neg', 'Relu', 'Sign', 'Sqrt', 'BatchNormalization'].map((op) => [op, like] as const),
  ...['headgate.FakeQuant', 'headgate.LearnedFakeQuant'].map((op) => [op, like] as const),
  ...['Add', 'Sub', 'Mul', 'Div', 'Max', 'Equal', 'Where'].map((op) => [op, broadcast] as const),
  ...['ReduceMax', 'ReduceMin'].map((op) => [op, reduction] as const),
  ['headgate.BatchNormTrain', batchNorm(2, 0)],
  ['headgate.BatchNormTrainDivided', batchNorm(2, 1)],
  ['headgate.BatchNormSwitch', batchNorm(4, 0)],
  ['Reshape', reshape],
  ['Concat', concat],
  ['Split', split],
]);

/** @returns undefined for an operator that is not among headgate's own. */
export function shapeRule({ op, domain }: IrNode): ShapeRule | undefined {
  return rules.get(ruleKey(op, domain));
}

/** Numpy's broadcasting. */
function stretched(left: Shape, right: Shape): Shape {
  const rank = Math.max(left.length, right.length);
  const at = (shape: Shape, axis: number): number => shape[axis - rank + shape.length] ?? 1;
  return Array.from({ length: rank }, (_, axis) => (at(left, axis) === 1 ? at(right, axis) : at(left, axis)));
}
