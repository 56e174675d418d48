// Opsets 7 to 21 brought to the one that the kernel writes, 18: attributes that became inputs, operators that got new names
// or new defaults, and newer ones written with older. One entry per operator; an operator without one means the same in all.
import { GraphBuilder } from './builder.ts';
import { decomposeGelu, decomposeGroupNorm } from './decompose.ts';
import { exactIntsOf, floatOf, int, intOf, intsOf, text, textOf } from './ir.ts';
import type { Attribute, GraphIr, IrNode } from './ir.ts';

export const KERNEL_OPSET = 18;

interface Upgrade {
  /** The opset that brought the new form. Older nodes are rewritten up to 18; above 18, nodes from it on are rewritten. */
  readonly since: number;
  /** Emits what replaces the node, or says why that cannot be. */
  readonly rewrite: (b: GraphBuilder, node: IrNode) => string | undefined;
}

type Attributes = IrNode['attributes'];

/** @param refuse throws with the node and the reason. */
export function upgradeOpset(graph: GraphIr, refuse: (node: IrNode, why: string) => never): GraphIr {
  if (graph.opset === KERNEL_OPSET) return graph;
  const b = new GraphBuilder('opset18.');
  for (const [name, tensor] of graph.initializers) b.initializers.set(name, tensor);
  for (const node of graph.nodes) {
    const upgrade = node.domain === '' ? upgrades[node.op]?.find((entry) => applies(entry, graph.opset)) : undefined;
    if (upgrade === undefined) {
      b.nodes.push(node);
      continue;
    }
    const why = upgrade.rewrite(b, node);
    if (why !== undefined) refuse(node, why);
  }
  return { ...graph, opset: KERNEL_OPSET, nodes: b.nodes, initializers: b.initializers };
}

function applies({ since }: Upgrade, opset: number): boolean {
  return since <= KERNEL_OPSET ? opset < since : opset >= since;
}

const axesAsInput = (since: number): readonly Upgrade[] => [
  {
    since,
    rewrite: (b, node) => {
      const axes = intsOf(node, 'axes', []);
      put(b, node, axes.length === 0 ? node.inputs : [node.inputs[0] as string, b.int64(axes)], without(node, 'axes'));
    },
  },
];

/** Before opset 13 everything from `axis` on is one axis. */
const flatSoftmax: readonly Upgrade[] = [
  {
    since: 13,
    rewrite: (b, node) => {
      const x = node.inputs[0] as string;
      const flat = b.emit('Flatten', [x], { axis: int(intOf(node, 'axis', 1)) });
      const y = b.emit(node.op, [flat], { axis: int(-1) });
      b.emit('Reshape', [y, b.emit('Shape', [x])], {}, { outputs: node.outputs });
    },
  },
];

/** Before opset 7 the second operand was laid along `axis`; without one, as today. */
const rightAligned: readonly Upgrade[] = [
  {
    since: 7,
    rewrite: (b, node) => {
      if ('axis' in node.attributes) return 'it broadcasts along an axis, as opsets before 7 did; export it again';
      put(b, node, node.inputs, without(node, 'broadcast', 'consumed_inputs'));
    },
  },
];

const resizeFromScales = (b: GraphBuilder, node: IrNode, scales: string): void => {
  const attributes = { mode: node.attributes['mode'] ?? text('nearest'), nearest_mode: text('floor') };
  const coordinates = { coordinate_transformation_mode: text('asymmetric') };
  put(b, { ...node, op: 'Resize' }, [node.inputs[0] as string, '', scales], { ...attributes, ...coordinates });
};

const upgrades: { readonly [operator: string]: readonly Upgrade[] } = {
  ...each(axesAsInput(13), 'ReduceSum Squeeze Unsqueeze'),
  ...each(axesAsInput(18), 'ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2'),
  ...each(axesAsInput(18), 'ReduceLogSum ReduceLogSumExp ReduceSumSquare'),
  ...each(flatSoftmax, 'Softmax LogSoftmax Hardmax'),
  ...each(rightAligned, 'Add Sub Mul Div Pow Gemm'),
  PRelu: [
    {
      since: 7,
      rewrite: (b, node) => {
        const slopes = b.initializers.get(node.inputs[1] as string)?.data.length ?? 0;
        if (slopes !== 1) return 'its slopes lie along the channels, as opsets before 7 wrote them; export it again';
        put(b, node, node.inputs, without(node, 'consumed_inputs'));
      },
    },
  ],
  Clip: [
    {
      since: 11,
      rewrite: (b, node) => {
        const limit = (name: string): string => (name in node.attributes ? b.scalar(floatOf(node, name, 0)) : '');
        put(b, node, [node.inputs[0] as string, limit('min'), limit('max')], {});
      },
    },
  ],
  Pad: [
    {
      since: 11,
      rewrite: (b, node) => {
        const pads = b.int64(exactIntsOf(node, 'pads', []));
        put(
          b,
          node,
          [node.inputs[0] as string, pads, b.scalar(floatOf(node, 'value', 0))],
          without(node, 'pads', 'value'),
        );
      },
    },
    {
      since: 19,
      rewrite: onlyIf(
        (node) => textOf(node, 'mode', 'constant') !== 'wrap',
        'padding mode "wrap" is newer than opset 18',
      ),
    },
  ],
  Slice: [
    {
      since: 10,
      rewrite: (b, node) => {
        const starts = exactIntsOf(node, 'starts', []);
        const axes = intsOf(
          node,
          'axes',
          starts.map((_, axis) => axis),
        );
        put(
          b,
          node,
          [node.inputs[0] as string, ...[starts, exactIntsOf(node, 'ends', []), axes].map((values) => b.int64(values))],
          {},
        );
      },
    },
  ],
  Split: [
    {
      since: 13,
      rewrite: (b, node) => {
        const sizes = intsOf(node, 'split', []);
        if (sizes.length === 0)
          put(b, node, node.inputs, { ...node.attributes, num_outputs: int(node.outputs.length) });
        else put(b, node, [node.inputs[0] as string, b.int64(sizes)], without(node, 'split'));
      },
    },
    {
      since: 18,
      rewrite: (b, node) => {
        const counted = (node.inputs[1] ?? '') === '' ? { num_outputs: int(node.outputs.length) } : {};
        put(b, node, node.inputs, { ...node.attributes, ...counted });
      },
    },
  ],
  TopK: [
    {
      since: 10,
      rewrite: (b, node) => {
        put(b, node, [node.inputs[0] as string, b.int64([intOf(node, 'k', 1)])], without(node, 'k'));
      },
    },
  ],
  // In evaluation it is the identity, whatever its ratio.
  Dropout: [{ since: 12, rewrite: (b, node) => put(b, node, [node.inputs[0] as string], {}) }],
  BatchNormalization: [
    {
      since: 14,
      rewrite: (b, node) => {
        if (intOf(node, 'spatial', 1) === 0) return 'it normalises each element on its own (spatial = 0)';
        const one = { ...node, outputs: node.outputs.slice(0, 1) };
        put(b, one, node.inputs, without(node, 'spatial', 'is_test', 'consumed_inputs'));
      },
    },
  ],
  Upsample: [
    {
      since: 9,
      rewrite: (b, node) => {
        const scales = node.attributes['scales'];
        if (scales?.kind !== 'floats') return 'it names no scales';
        resizeFromScales(b, node, b.floats(scales.value));
      },
    },
    {
      since: 10,
      rewrite: (b, node) => {
        resizeFromScales(b, node, node.inputs[1] as string);
      },
    },
  ],
  Resize: [
    {
      since: 11,
      rewrite: (b, node) => {
        resizeFromScales(b, node, node.inputs[1] as string);
      },
    },
    {
      since: 19,
      rewrite: onlyIf(
        (node) => textOf(node, 'coordinate_transformation_mode', '') !== 'half_pixel_symmetric',
        'coordinates "half_pixel_symmetric" are newer than opset 18',
      ),
    },
  ],
  Scatter: [
    {
      since: 11,
      rewrite: (b, node) => {
        put(b, { ...node, op: 'ScatterElements' }, node.inputs, node.attributes);
      },
    },
  ],
  RoiAlign: [
    {
      since: 16,
      rewrite: (b, node) => {
        put(b, node, node.inputs, { ...node.attributes, coordinate_transformation_mode: text('output_half_pixel') });
      },
    },
  ],
  AveragePool: [
    {
      since: 19,
      rewrite: (b, node) => {
        if (intsOf(node, 'dilations', []).some((size) => size !== 1))
          return 'dilated average pools are newer than opset 18';
        put(b, node, node.inputs, without(node, 'dilations'));
      },
    },
  ],
  Cast: [
    {
      since: 19,
      rewrite: (b, node) => {
        put(b, node, node.inputs, without(node, 'saturate'));
      },
    },
  ],
  GridSample: [
    {
      since: 20,
      rewrite: (b, node) => {
        const older: { readonly [mode: string]: string } = { linear: 'bilinear', cubic: 'bicubic' };
        const mode = textOf(node, 'mode', 'linear');
        put(b, node, node.inputs, { ...node.attributes, mode: text(older[mode] ?? mode) });
      },
    },
  ],
  Gelu: [
    {
      since: 20,
      rewrite: (b, node) => {
        decomposeGelu(b, node);
      },
    },
  ],
  GroupNormalization: [
    {
      since: 21,
      rewrite: (b, node) => {
        const channels = b.initializers.get(node.inputs[1] as string)?.shape[0];
        if (channels === undefined) return 'its scale is computed, not a constant';
        decomposeGroupNorm(b, node, [0, channels], channels);
      },
    },
  ],
};

function each(entries: readonly Upgrade[], operators: string): { readonly [operator: string]: readonly Upgrade[] } {
  return Object.fromEntries(operators.split(' ').map((operator) => [operator, entries]));
}

function onlyIf(holds: (node: IrNode) => boolean, why: string): Upgrade['rewrite'] {
  return (b, node) => {
    if (!holds(node)) return why;
    b.nodes.push(node);
  };
}

function put(b: GraphBuilder, node: IrNode, inputs: readonly string[], attributes: Attributes): undefined {
  b.nodes.push({ ...node, inputs, attributes });
}

function without({ attributes }: IrNode, ...names: readonly string[]): { readonly [name: string]: Attribute } {
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => !names.includes(name)));
}
