// Activations as exporters spell them: single operators, and gated ones written as x · g(x) (SiLU, HardSwish, Mish, Gelu).
// A spelling is one unit, so that no quantiser stands inside it. Nothing is rewritten.
import type { GraphIr, IrNode } from '../onnx/ir.ts';

export interface Activation {
  /** The name that placement tables know it by: `Relu`, `SiLU`, `HardSwish`, … */
  readonly op: string;
  /** In execution order; the last one makes the output. */
  readonly nodes: readonly IrNode[];
}

/** Who reads a value; none where it must stay visible. */
export type ConsumersOf = (value: string) => readonly IrNode[];

const single: ReadonlySet<string> = new Set([
  'Relu',
  'LeakyRelu',
  'PRelu',
  'Clip',
  'Sigmoid',
  'Tanh',
  'HardSigmoid',
  'HardSwish',
  'Elu',
  'Selu',
  'Softplus',
  'Mish',
  'Gelu',
]);

/** Operators of x · g(x), in order → the activation's name. */
const gated: ReadonlyMap<string, string> = new Map([
  ['Sigmoid Mul', 'SiLU'],
  ['HardSigmoid Mul', 'HardSwish'],
  ['Add Clip Div Mul', 'HardSwish'],
  ['Add Clip Mul Mul', 'HardSwish'],
  ['Add Clip Mul Div', 'HardSwish'],
  ['Softplus Tanh Mul', 'Mish'],
  ['Div Erf Add Mul Mul', 'Gelu'],
  ['Mul Erf Add Mul Mul', 'Gelu'],
]);

const longestGate = 4;

/** The activation that alone follows `value`, or undefined. */
export function activationAfter(graph: GraphIr, value: string, consumersOf: ConsumersOf): Activation | undefined {
  const consumers = consumersOf(value);
  const [first] = consumers;
  if (first === undefined) return undefined;
  if (consumers.length === 2) return gatedAfter(graph, value, consumersOf);
  if (consumers.length !== 1 || !single.has(first.op) || first.domain !== '' || first.inputs[0] !== value)
    return undefined;
  const constant = first.inputs.slice(1).every((input) => input === '' || graph.initializers.has(input));
  return constant ? { op: first.op, nodes: [first] } : undefined;
}

/** x · g(x), where g is a chain of operators that read nothing else but constants. */
export function gatedAfter(graph: GraphIr, value: string, consumersOf: ConsumersOf): Activation | undefined {
  const consumers = consumersOf(value);
  if (consumers.length !== 2) return undefined;
  for (const start of consumers) {
    const chain = chainFrom(graph, start, value, consumersOf);
    const op = chain === undefined ? undefined : gated.get(chain.map((node) => node.op).join(' '));
    if (op === undefined || chain === undefined || (op === 'HardSwish' && !isHardSwish(graph, chain))) continue;
    return { op, nodes: chain };
  }
  return undefined;
}

/** From `start` to the product with `value`, and a scaling of the product where one follows. */
function chainFrom(
  graph: GraphIr,
  start: IrNode,
  value: string,
  consumersOf: ConsumersOf,
): readonly IrNode[] | undefined {
  const chain: IrNode[] = [];
  let node = start;
  let from = value;
  while (chain.length < longestGate && onlyConstantsBeside(graph, node, from)) {
    chain.push(node);
    from = node.outputs[0] as string;
    const [next, ...others] = consumersOf(from);
    if (next === undefined || others.length > 0) return undefined;
    node = next;
  }
  if (chain.length === 0 || node.op !== 'Mul' || !node.inputs.includes(value) || !node.inputs.includes(from))
    return undefined;
  chain.push(node);
  const names = chain.map(({ op }) => op).join(' ');
  if (gated.has(names)) return chain;
  const [last, ...others] = consumersOf(node.outputs[0] as string);
  const scales = last !== undefined && others.length === 0 && (last.op === 'Mul' || last.op === 'Div');
  return scales && onlyConstantsBeside(graph, last, node.outputs[0] as string) ? [...chain, last] : undefined;
}

function onlyConstantsBeside(graph: GraphIr, node: IrNode, value: string): boolean {
  const others = node.inputs.filter((input) => input !== value && input !== '');
  return node.inputs.length - others.length >= 1 && others.every((input) => graph.initializers.has(input));
}

/** clip(x + 3, 0, 6) / 6 · x, or HardSigmoid with its slope 1/6. */
function isHardSwish(graph: GraphIr, chain: readonly IrNode[]): boolean {
  const [first, clip] = chain as readonly [IrNode, IrNode];
  if (first.op === 'HardSigmoid') {
    const alpha = first.attributes['alpha'];
    return alpha?.kind === 'float' && Math.abs(alpha.value - 1 / 6) < 1e-4;
  }
  const scalarOf = (name: string | undefined): number => Number(graph.initializers.get(name ?? '')?.data[0] ?? NaN);
  const three = first.inputs.map(scalarOf).some((found) => found === 3);
  return three && scalarOf(clip.inputs[1]) === 0 && scalarOf(clip.inputs[2]) === 6;
}
