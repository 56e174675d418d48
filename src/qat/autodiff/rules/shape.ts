// Operators that keep every value and change only where it stands, and those that copy it.
import { int, intOf, ints, intsOf, textOf } from '../../onnx/ir.ts';
import { GradientError } from '../rule.ts';
import type { GradientRule, RuleTable } from '../rule.ts';

const identity: GradientRule = { kind: 'gradient', backward: ({ upstream: [dy] }) => [dy] };

/** Reshape, Flatten, Squeeze, Unsqueeze: back to the input's shape, whatever the second input said. */
const reshaped: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream: [dy] }) =>
    dy === undefined ? [] : [b.reshape(dy, shapeOf(node.inputs[0] as string))],
};

const transpose: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const axes = shapeOf(node.inputs[0] as string).map((_, axis) => axis);
    const perm = intsOf(node, 'perm', [...axes].reverse());
    return [b.emit('Transpose', [dy], { perm: ints(axes.map((axis) => perm.indexOf(axis))) })];
  },
};

const expand: GradientRule = { kind: 'gradient', broadcasts: true, backward: ({ upstream: [dy] }) => [dy] };

/** Every axis as repeats × size; the repeats are summed. */
const tile: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const shape = shapeOf(node.inputs[0] as string);
    const tiled = shapeOf(node.outputs[0] as string);
    const copies = b.reshape(
      dy,
      shape.flatMap((size, axis) => [(tiled[axis] as number) / size, size]),
    );
    return [
      b.reduceSum(
        copies,
        shape.map((_, axis) => 2 * axis),
        false,
      ),
    ];
  },
};

const depthToSpace: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const size = intOf(node, 'blocksize', 1);
    if (textOf(node, 'mode', 'DCR') === 'DCR') return [b.emit('SpaceToDepth', [dy], { blocksize: int(size) })];
    const [n, c, h, w] = shapeOf(node.inputs[0] as string) as [number, number, number, number];
    const blocks = b.reshape(dy, [n, c / (size * size), h, size, w, size]);
    return [b.reshape(b.emit('Transpose', [blocks], { perm: ints([0, 1, 3, 5, 2, 4]) }), [n, c, h, w])];
  },
};

const spaceToDepth: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, upstream: [dy] }) =>
    dy === undefined ? [] : [b.emit('DepthToSpace', [dy], { blocksize: node.attributes['blocksize'] ?? int(1) })],
};

/** TensorProto.DataType: float32, float16, float64, bfloat16. */
const FLOATS: readonly number[] = [1, 10, 11, 16];

const cast: GradientRule = {
  kind: 'gradient',
  // A cast to integers rounds.
  stops: (node) => !FLOATS.includes(intOf(node, 'to', 1)),
  backward: ({ b, node, upstream: [dy] }) => {
    if (dy === undefined) return [];
    return [intOf(node, 'to', 1) === 1 ? dy : b.emit('Cast', [dy], { to: int(1) })];
  },
};

const dropout: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, upstream: [dy] }) => {
    const mode = node.inputs[2] ?? '';
    const training = b.initializers.get(mode)?.data[0];
    if (mode !== '' && training !== 0)
      throw new GradientError(node, 'it is in training mode; export the model in evaluation mode');
    return [dy];
  },
};

export const shapeRules: RuleTable = {
  Identity: identity,
  Dropout: dropout,
  Cast: cast,
  Reshape: reshaped,
  Flatten: reshaped,
  Squeeze: reshaped,
  Unsqueeze: reshaped,
  Transpose: transpose,
  Expand: expand,
  Tile: tile,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
};
