// Reverse-mode differentiation of a forward graph into the same builder: forward nodes lowered to standard operators,
// then one reverse walk over the nodes that lie between a wanted value and the loss.
import type { GraphBuilder } from '../onnx/builder.ts';
import type { IrNode } from '../onnx/ir.ts';
import { sumToShape } from './broadcast.ts';
import { gradientRules, ruleKey } from './registry.ts';
import { GradientError, HEADGATE_DOMAIN } from './rule.ts';

export { GradientError } from './rule.ts';

export type Shapes = ReadonlyMap<string, readonly number[]>;

/** Emits `nodes` into `b`, those with a lowering (all of headgate's own, some newer than opset 18) as standard ones. */
export function lower(b: GraphBuilder, nodes: readonly IrNode[], shapes: Shapes): void {
  for (const node of nodes) {
    const rule = gradientRules.get(ruleKey(node.op, node.domain));
    if (rule?.kind === 'gradient' && rule.lower !== undefined) rule.lower({ b, node, shapeOf: shapeReader(shapes) });
    else if (node.domain === HEADGATE_DOMAIN) throw new Error(`no lowering for ${node.op}`);
    else b.nodes.push(node);
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
    if (rule === undefined) throw new GradientError(node, 'headgate has no gradient for it yet');
    if (rule.kind === 'refuse') throw new GradientError(node, rule.why);
    if (rule.kind === 'no-gradient') continue;
    const found = rule.backward({ b, node, shapeOf, upstream, wanted: asked });
    node.inputs.forEach((input, index) => {
      const gradient = found[index];
      if (gradient === undefined || asked[index] !== true) return;
      const stretched = rule.broadcasts === true ? shapeOf(node.outputs[0] as string) : undefined;
      const fitted = stretched === undefined ? gradient : sumToShape(b, gradient, stretched, shapeOf(input));
      const earlier = gradients.get(input);
      gradients.set(input, earlier === undefined ? fitted : b.emit('Add', [earlier, fitted]));
    });
  }
  return new Map(wanted.flatMap((name) => (gradients.has(name) ? [[name, gradients.get(name) as string]] : [])));
}

/** Values that move with those of `from` as far as gradients go: shapes, comparisons and whole numbers do not. */
function forwardReach(nodes: readonly IrNode[], from: readonly string[]): ReadonlySet<string> {
  const reached = new Set(from);
  for (const node of nodes) {
    if (node.inputs.some((input) => reached.has(input)) && !stops(node)) {
      for (const output of node.outputs) if (output !== '') reached.add(output);
    }
  }
  return reached;
}

function stops(node: IrNode): boolean {
  const rule = gradientRules.get(ruleKey(node.op, node.domain));
  return rule?.kind === 'no-gradient' || (rule?.kind === 'gradient' && rule.stops?.(node) === true);
}

function shapeReader(shapes: Shapes): (value: string) => readonly number[] {
  return (value) => {
    const shape = shapes.get(value);
    if (shape === undefined) throw new Error(`shape of "${value}" is not known`);
    return shape;
  };
}
