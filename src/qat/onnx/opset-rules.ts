// The rules of convert-opset.ts: per operator, what an older or newer spelling is in opset 18.
import { floatOf, int, intOf, intsOf, text, textOf } from './ir.ts';
import type { Attribute, GraphIr, IrNode, IrTensor } from './ir.ts';
import { UnsupportedModelError } from './unsupported-model.ts';

export interface ConversionContext {
  readonly edit: GraphEdit;
  /** The opset that the node was written for. */
  readonly opset: number;
  /** Known for what Softmax and its like read. */
  rankOf(value: string): number | undefined;
}

type Conversion = (node: IrNode, context: ConversionContext) => readonly IrNode[];

/** Constants and nodes that conversions add, with names of their own. */
export class GraphEdit {
  readonly initializers: Map<string, IrTensor>;
  private counter = 0;

  constructor({ initializers }: GraphIr) {
    this.initializers = new Map(initializers);
  }

  /** The value of a constant, where it is one. */
  constantOf(name: string | undefined): IrTensor | undefined {
    return name === undefined ? undefined : this.initializers.get(name);
  }

  int64(values: readonly number[], shape: readonly number[] = [values.length]): string {
    return this.add({ dtype: 'int64', shape, data: BigInt64Array.from(values, clampToInt64) });
  }

  float(values: readonly number[], shape: readonly number[]): string {
    return this.add({ dtype: 'float32', shape, data: Float32Array.from(values) });
  }

  node(
    like: IrNode,
    op: string,
    inputs: readonly string[],
    attributes: { readonly [name: string]: Attribute } = {},
    outputs: readonly string[] = [`${like.name}/${op}_${this.counter}`],
  ): IrNode {
    return { op, domain: '', name: `${like.name}/${op}_${this.counter++}`, inputs, outputs, attributes };
  }

  private add(tensor: IrTensor): string {
    let name = `converted_${this.counter++}`;
    while (this.initializers.has(name)) name = `converted_${this.counter++}`;
    this.initializers.set(name, tensor);
    return name;
  }
}

function clampToInt64(value: number): bigint {
  return value >= 2 ** 63 ? 2n ** 63n - 1n : BigInt(value);
}

function without(node: IrNode, ...names: readonly string[]): IrNode['attributes'] {
  return Object.fromEntries(Object.entries(node.attributes).filter(([name]) => !names.includes(name)));
}

/** An attribute with integers that became the input at `position`. */
function intsToInput(name: string, position: number): Conversion {
  return (node, { edit }) => {
    const attribute = node.attributes[name];
    if (attribute?.kind !== 'ints') return [node];
    const inputs = [...node.inputs];
    while (inputs.length < position) inputs.push('');
    inputs[position] = edit.int64(attribute.value);
    return [{ ...node, inputs, attributes: without(node, name) }];
  };
}

const clip: Conversion = (node, { edit, opset }) => {
  if (opset >= 11) return [node];
  const bound = (name: string): string =>
    node.attributes[name] === undefined ? '' : edit.float([floatOf(node, name, 0)], []);
  return [{ ...node, inputs: [node.inputs[0] as string, bound('min'), bound('max')], attributes: {} }];
};

const pad: Conversion = (node, { edit, opset }) => {
  if (opset >= 11) return [node];
  const inputs = [
    node.inputs[0] as string,
    edit.int64(intsOf(node, 'pads', [])),
    edit.float([floatOf(node, 'value', 0)], []),
  ];
  return [{ ...node, inputs, attributes: without(node, 'pads', 'value') }];
};

const slice: Conversion = (node, { edit, opset }) => {
  if (opset >= 10) return [node];
  const starts = intsOf(node, 'starts', []);
  const axes = intsOf(
    node,
    'axes',
    starts.map((_, axis) => axis),
  );
  const ends = intsOf(node, 'ends', []);
  const inputs = [node.inputs[0] as string, edit.int64(starts), edit.int64(ends), edit.int64(axes)];
  return [{ ...node, inputs, attributes: {} }];
};

const topK: Conversion = (node, { edit, opset }) => {
  if (opset >= 10) return [node];
  const inputs = [node.inputs[0] as string, edit.int64([intOf(node, 'k', 1)])];
  return [{ ...node, inputs, attributes: without(node, 'k') }];
};

const split: Conversion = (node, context) => {
  const [converted] = intsToInput('split', 1)(node, context) as readonly [IrNode];
  if ((converted.inputs[1] ?? '') !== '' || context.opset >= 18) return [converted];
  return [{ ...converted, attributes: { ...converted.attributes, num_outputs: int(node.outputs.length) } }];
};

/** In inference it copies its input. */
const dropout: Conversion = (node, { edit }) => {
  const training = edit.constantOf(node.inputs[2]);
  if ((node.inputs[2] ?? '') !== '' && Number(training?.data[0] ?? 1) !== 0)
    throw new UnsupportedModelError(
      `node "${node.name}" (Dropout) is in training mode: export the model for inference`,
    );
  return [
    { ...node, op: 'Identity', inputs: [node.inputs[0] as string], outputs: node.outputs.slice(0, 1), attributes: {} },
  ];
};

const batchNormalization: Conversion = (node) => {
  if (intOf(node, 'training_mode', 0) !== 0)
    throw new UnsupportedModelError(
      `node "${node.name}" (BatchNormalization) is in training mode: export the model for inference`,
    );
  return [
    { ...node, outputs: node.outputs.slice(0, 1), attributes: without(node, 'momentum', 'training_mode', 'spatial') },
  ];
};

/** Before opset 13 over all axes from `axis` on (by default 1) together; since then over `axis` alone. */
const softmax: Conversion = (node, { edit, opset, rankOf }) => {
  if (opset >= 13) return [node];
  const rank = rankOf(node.inputs[0] as string);
  const written = intOf(node, 'axis', 1);
  if (rank === undefined)
    throw new UnsupportedModelError(`node "${node.name}" (${node.op}): the rank of its input is not known`);
  const axis = (written + rank) % rank;
  if (axis === rank - 1) return [{ ...node, attributes: { axis: int(-1) } }];
  const shape = edit.node(node, 'Shape', [node.inputs[0] as string]);
  const flat = edit.node(node, 'Flatten', [node.inputs[0] as string], { axis: int(axis) });
  const applied = edit.node(node, node.op, [flat.outputs[0] as string], { axis: int(-1) });
  const inputs = [applied.outputs[0] as string, shape.outputs[0] as string];
  return [shape, flat, applied, edit.node(node, 'Reshape', inputs, {}, node.outputs)];
};

const oldResize: IrNode['attributes'] = { coordinate_transformation_mode: text('asymmetric') };

/** Opset 10's Resize and Upsample: top-left corners align, nearest takes the pixel below (above when it shrinks). */
function resizeOf(node: IrNode, scales: string, edit: GraphEdit): IrNode {
  const shrinks = Array.from(edit.constantOf(scales)?.data ?? [], Number).some((scale) => scale < 1);
  const attributes = {
    ...oldResize,
    mode: text(textOf(node, 'mode', 'nearest')),
    nearest_mode: text(shrinks ? 'ceil' : 'floor'),
  };
  return { ...node, op: 'Resize', inputs: [node.inputs[0] as string, '', scales], attributes };
}

const resize: Conversion = (node, { edit, opset }) => {
  if (opset === 10) return [resizeOf(node, node.inputs[1] as string, edit)];
  if (textOf(node, 'coordinate_transformation_mode', '') === 'tf_half_pixel_for_nn')
    throw new UnsupportedModelError(
      `node "${node.name}" (Resize) uses tf_half_pixel_for_nn, which newer opsets do not have: use half_pixel`,
    );
  // Exporters write an empty tensor for "not given".
  const inputs = node.inputs.map((name) => (edit.constantOf(name)?.data.length === 0 ? '' : name));
  return [{ ...node, inputs }];
};

const upsample: Conversion = (node, { edit }) => {
  const attribute = node.attributes['scales'];
  const scales = attribute?.kind === 'floats' ? edit.float(attribute.value, [attribute.value.length]) : node.inputs[1];
  return [resizeOf(node, scales ?? '', edit)];
};

const gridSample: Conversion = (node) => {
  const older: { readonly [mode: string]: string } = { linear: 'bilinear', cubic: 'bicubic' };
  const mode = textOf(node, 'mode', 'bilinear');
  return [{ ...node, attributes: { ...node.attributes, mode: text(older[mode] ?? mode) } }];
};

/** Opset 20's operator, spelled out: x/2·(1 + erf(x/√2)), or with tanh where it approximates. */
const gelu: Conversion = (node, { edit }) => {
  const x = node.inputs[0] as string;
  const one = edit.float([1], []);
  const half = edit.float([0.5], []);
  const chain: IrNode[] = [];
  const then = (op: string, inputs: readonly string[], outputs?: readonly string[]): string => {
    const made = edit.node(node, op, inputs, {}, outputs);
    chain.push(made);
    return made.outputs[0] as string;
  };
  let inner: string;
  if (textOf(node, 'approximate', 'none') === 'tanh') {
    const cube = then('Mul', [then('Mul', [x, x]), x]);
    const sum = then('Add', [x, then('Mul', [cube, edit.float([0.044715], [])])]);
    inner = then('Tanh', [then('Mul', [sum, edit.float([Math.sqrt(2 / Math.PI)], [])])]);
  } else inner = then('Erf', [then('Mul', [x, edit.float([Math.SQRT1_2], [])])]);
  then('Mul', [then('Mul', [x, then('Add', [inner, one])]), half], node.outputs);
  return chain;
};

const roiAlign: Conversion = (node, { opset }) =>
  opset >= 16
    ? [node]
    : [{ ...node, attributes: { ...node.attributes, coordinate_transformation_mode: text('output_half_pixel') } }];

/** Opset 21 scales per channel, 18 (deprecated) per group: normalise each group as one instance, then scale. */
const groupNormalization: Conversion = (node, { edit, opset }) => {
  const [x, scale, bias] = node.inputs as [string, string, string];
  const groups = intOf(node, 'num_groups', 1);
  const [gamma, beta] = [edit.constantOf(scale), edit.constantOf(bias)];
  if (opset < 21 || gamma === undefined || beta === undefined)
    throw new UnsupportedModelError(
      `node "${node.name}" (GroupNormalization): only opset 21's form with constant scale and bias is taken`,
    );
  const shape = edit.node(node, 'Shape', [x]);
  const grouped = edit.node(node, 'Reshape', [x, edit.int64([0, groups, -1])]);
  const ones = edit.float(new Array<number>(groups).fill(1), [groups]);
  const zeros = edit.float(new Array<number>(groups).fill(0), [groups]);
  const normalised = edit.node(node, 'InstanceNormalization', [grouped.outputs[0] as string, ones, zeros], {
    epsilon: node.attributes['epsilon'] ?? { kind: 'float', value: 1e-5 },
  });
  const back = edit.node(node, 'Reshape', [normalised.outputs[0] as string, shape.outputs[0] as string]);
  const column = (tensor: IrTensor): string => edit.float(Array.from(tensor.data, Number), [tensor.data.length, 1, 1]);
  const scaled = edit.node(node, 'Mul', [back.outputs[0] as string, column(gamma)]);
  return [
    shape,
    grouped,
    normalised,
    back,
    scaled,
    edit.node(node, 'Add', [scaled.outputs[0] as string, column(beta)], {}, node.outputs),
  ];
};

const averagePool: Conversion = (node) => {
  if (intsOf(node, 'dilations', []).some((size) => size !== 1))
    throw new UnsupportedModelError(`node "${node.name}" (AveragePool): dilations are not supported`);
  return [{ ...node, attributes: without(node, 'dilations') }];
};

const reductions = Object.fromEntries(
  ['Mean', 'Sum', 'Max', 'Min', 'Prod', 'L1', 'L2', 'LogSum', 'LogSumExp', 'SumSquare'].map((name) => [
    `Reduce${name}`,
    intsToInput('axes', 1),
  ]),
);

export const conversions: { readonly [op: string]: Conversion | undefined } = {
  Clip: clip,
  Pad: pad,
  Slice: slice,
  TopK: topK,
  Split: split,
  Squeeze: intsToInput('axes', 1),
  Unsqueeze: intsToInput('axes', 1),
  ...reductions,
  Dropout: dropout,
  BatchNormalization: batchNormalization,
  Softmax: softmax,
  LogSoftmax: softmax,
  Hardmax: softmax,
  Resize: resize,
  Upsample: upsample,
  GridSample: gridSample,
  Gelu: gelu,
  RoiAlign: roiAlign,
  GroupNormalization: groupNormalization,
  AveragePool: averagePool,
  Scatter: (node) => [{ ...node, op: 'ScatterElements' }],
};
