// Reading and writing by index: Gather, GatherElements, GatherND, TopK and their counterparts Scatter…; what was read
// several times collects several gradients. Indices themselves have none.
import { int, intOf, text, textOf } from '../../onnx/ir.ts';
import { zerosOf } from '../broadcast.ts';
import { axisOf, GradientError, sizeOf } from '../rule.ts';
import type { BackwardContext, GradientRule, RuleTable } from '../rule.ts';

const collect = { reduction: text('add') };

/** The data as [before, size, after], the indices flat: a scatter of rows along the middle axis. */
const gather: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const [data, indices] = node.inputs as [string, string];
    const shape = shapeOf(data);
    const axis = axisOf(intOf(node, 'axis', 0), shape.length);
    const before = sizeOf(shape.slice(0, axis));
    const after = sizeOf(shape.slice(axis + 1));
    const count = sizeOf(shapeOf(indices));
    const rows = b.emit('Expand', [b.reshape(indices, [1, count, 1]), b.int64([before, count, after])]);
    const into = zerosOf(b, [before, shape[axis] as number, after]);
    const scattered = b.emit('ScatterElements', [into, rows, b.reshape(dy, [before, count, after])], {
      axis: int(1),
      ...collect,
    });
    return [b.reshape(scattered, shape)];
  },
};

const gatherElements: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const [data, indices] = node.inputs as [string, string];
    const axis = int(intOf(node, 'axis', 0));
    return [b.emit('ScatterElements', [zerosOf(b, shapeOf(data)), indices, dy], { axis, ...collect })];
  },
};

const gatherND: GradientRule = {
  kind: 'gradient',
  backward: (context) => {
    const { b, node, shapeOf, upstream } = context;
    if (upstream[0] === undefined) return [];
    const into = zerosOf(b, shapeOf(node.inputs[0] as string));
    return [b.emit('ScatterND', [into, fullIndices(context), upstream[0]], collect)];
  },
};

/** ScatterND has no batch axes: their coordinates are written in front of the indices. */
function fullIndices({ b, node, shapeOf }: BackwardContext): string {
  const indices = node.inputs[1] as string;
  const batchAxes = intOf(node, 'batch_dims', 0);
  if (batchAxes === 0) return indices;
  const shape = shapeOf(indices);
  const coordinates = Array.from({ length: batchAxes }, (_, axis) => {
    const size = shape[axis] as number;
    const along = shape.map((_size, other) => (other === axis ? size : 1));
    const counted = b.reshape(b.int64(Array.from({ length: size }, (_value, index) => index)), along);
    return b.emit('Expand', [counted, b.int64([...shape.slice(0, -1), 1])]);
  });
  return b.emit('Concat', [...coordinates, indices], { axis: int(-1) });
}

/** A written place keeps nothing of the data ('none') or all of it ('add'). */
const scatterElements: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream: [dy], wanted }) => {
    if (dy === undefined) return [];
    const [, indices, updates] = node.inputs as [string, string, string];
    const axis = int(intOf(node, 'axis', 0));
    const kept = (): string =>
      keepsData(node) ? dy : b.emit('ScatterElements', [dy, indices, zerosOf(b, shapeOf(updates))], { axis });
    return [
      wanted[0] === true ? kept() : undefined,
      undefined,
      wanted[2] === true ? b.emit('GatherElements', [dy, indices], { axis }) : undefined,
    ];
  },
};

const scatterND: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream: [dy], wanted }) => {
    if (dy === undefined) return [];
    const [, indices, updates] = node.inputs as [string, string, string];
    const kept = (): string =>
      keepsData(node) ? dy : b.emit('ScatterND', [dy, indices, zerosOf(b, shapeOf(updates))]);
    return [
      wanted[0] === true ? kept() : undefined,
      undefined,
      wanted[2] === true ? b.emit('GatherND', [dy, indices]) : undefined,
    ];
  },
};

function keepsData(node: BackwardContext['node']): boolean {
  const reduction = textOf(node, 'reduction', 'none');
  if (reduction !== 'none' && reduction !== 'add')
    throw new GradientError(node, `reduction "${reduction}" has no gradient`);
  return reduction === 'add';
}

/** The values' gradient goes where they were found. */
const topK: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const indices = node.outputs[1] ?? '';
    if (indices === '') throw new GradientError(node, 'its output of indices is left out');
    const axis = int(intOf(node, 'axis', -1));
    return [b.emit('ScatterElements', [zerosOf(b, shapeOf(node.inputs[0] as string)), indices, dy], { axis })];
  },
};

export const gatherRules: RuleTable = {
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  ScatterElements: scatterElements,
  ScatterND: scatterND,
  TopK: topK,
};
