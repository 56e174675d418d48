// Reverse-mode differentiation of a forward graph into the same builder: forward nodes lowered to standard operators,
// then one reverse walk over the nodes that lie between a wanted value and the loss.
import type { GraphBuilder } from '../onnx/builder.ts';
import type { IrNode } from '../onnx/ir.ts';
import { gradientRules, ruleKey } from './registry.ts';
import { HEADGATE_DOMAIN } from './rule.ts';

/** An operator without a gradient lies on the way from a trained parameter to the loss. */
export class GradientError extends Error {
  override readonly name = 'GradientError';
}

export type Shapes = ReadonlyMap<string, readonly number[]>;

/** Emits `nodes` into `b`, headgate's own operators as standard ones. */
export function lower(b: GraphBuilder, nodes: readonly IrNode[], shapes: Shapes): void {
  for (const node of nodes) {
    if (node.domain !== HEADGATE_DOMAIN) {
      b.nodes.push(node);
      continue;
    }
    const rule = gradientRules.get(ruleKey(node.op, node.domain));
    if (rule?.kind !== 'gradient' || rule.lower === undefined) throw new Error(`no lowering for ${node.op}`);
    rule.lower({ b, node, shapeOf: shapeReader(shapes) });
  }
}

/**
 * Gradients of the scalar `loss` with respect to `wanted` values.
 * @returns value name → gradient name; a value that does not reach the loss is absent.
 * @throws GradientError naming the node that has no gradient.
 */
export function differentiate(
  b: GraphBuilder,
  nodes: readonly IrNode[],
  shapes: Shapes,
  loss: string,
  wanted: readonly string[],
): ReadonlyMap<string, string> {
  const shapeOf = shapeReader(shapes);
  const active = forwardReach(nodes, wanted);
  const gradients = new Map<string, string>([[loss, b.floats([1], [])]]);
  for (const node of [...nodes].reverse()) {
    const upstream = node.outputs.map((output) => gradients.get(output));
    const asked = node.inputs.map((input) => active.has(input));
    if (!upstream.some((gradient) => gradient !== undefined) || !asked.some(Boolean)) continue;
    const rule = gradientRules.get(ruleKey(node.op, node.domain));
    if (rule?.kind !== 'gradient') {
      const why = rule === undefined ? 'headgate has no gradient for it yet' : rule.why;
      throw new GradientError(`node "${node.name}" (${node.op}) lies between a trained parameter and the loss: ${why}`);
    }
    const found = rule.backward({ b, node, shapeOf, upstream, wanted: asked });
    node.inputs.forEach((input, index) => {
      const gradient = found[index];
      if (gradient === undefined || asked[index] !== true) return;
      const fitted = sumToShape(b, gradient, shapeOf(node.outputs[0] as string), shapeOf(input), node);
      const earlier = gradients.get(input);
      gradients.set(input, earlier === undefined ? fitted : b.emit('Add', [earlier, fitted]));
    });
  }
  return new Map(wanted.flatMap((name) => (gradients.has(name) ? [[name, gradients.get(name) as string]] : [])));
}

function forwardReach(nodes: readonly IrNode[], from: readonly string[]): ReadonlySet<string> {
  const reached = new Set(from);
  for (const node of nodes) {
    if (node.inputs.some((input) => reached.has(input))) for (const output of node.outputs) reached.add(output);
  }
  return reached;
}

const broadcasting: ReadonlySet<string> = new Set(['Add', 'Sub', 'Mul', 'Div']);

/** Undoes broadcasting: the one place that sums a gradient over the axes its input was stretched along. */
function sumToShape(
  b: GraphBuilder,
  gradient: string,
  from: readonly number[],
  to: readonly number[],
  node: IrNode,
): string {
  if (!broadcasting.has(node.op) || (from.length === to.length && from.every((size, axis) => size === to[axis])))
    return gradient;
  const missing = from.length - to.length;
  const axes = from.flatMap((size, axis) => (axis < missing || (to[axis - missing] === 1 && size !== 1) ? [axis] : []));
  const spatial = axes.filter((axis) => axis > 1);
  const outer = axes.filter((axis) => axis <= 1);
  // Two steps over contiguous axes are several times faster than one over [0, 2, 3].
  let summed = gradient;
  if (spatial.length > 0) summed = b.reduceSum(summed, spatial, true);
  if (outer.length > 0) summed = b.reduceSum(summed, outer, true);
  return b.reshape(summed, to);
}

function shapeReader(shapes: Shapes): (value: string) => readonly number[] {
  return (value) => {
    const shape = shapes.get(value);
    if (shape === undefined) throw new Error(`shape of "${value}" is not known`);
    return shape;
  };
}
