// Two masks that a gradient passes one after the other, a Relu's and a quantiser's, put together as Booleans first: one pass
// over memory less for each. Bits stay: (dy · m₁) · m₂ = dy · (m₁ ∧ m₂) for masks of zeros and ones, signs of zeros included.
import { int, intOf } from '../onnx/ir.ts';
import type { IrNode } from '../onnx/ir.ts';
import type { GraphBuilder } from '../onnx/builder.ts';

const FLOAT = 1;

interface Masked {
  readonly value: string;
  /** Boolean. */
  readonly mask: string;
}

/** Rewrites `b.nodes` in place; nodes that nothing reads any more are left to `simplify`. */
export function mergeMasks(b: GraphBuilder): void {
  const makers = new Map(b.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const readers = countReaders(b.nodes);
  const nodes = b.nodes.splice(0);
  for (const node of nodes) {
    const outer = maskedBy(node, makers);
    const product = outer === undefined ? undefined : makers.get(outer.value);
    const inner = product === undefined ? undefined : maskedBy(product, makers);
    if (outer === undefined || inner === undefined || readers.get(outer.value) !== 1) {
      b.nodes.push(node);
      continue;
    }
    const [both, factor] = [b.fresh('And'), b.fresh('Cast')];
    const made = [
      standard('And', [inner.mask, outer.mask], [both]),
      standard('Cast', [both], [factor], { to: int(FLOAT) }),
      standard('Mul', [inner.value, factor], node.outputs),
    ];
    b.nodes.push(...made);
    // A third mask may follow.
    for (const maker of made) for (const output of maker.outputs) makers.set(output, maker);
  }
}

/** `value · Cast(mask)`, the factors in the order in which rules write them. */
function maskedBy({ op, domain, inputs }: IrNode, makers: ReadonlyMap<string, IrNode>): Masked | undefined {
  const [value, factor] = inputs;
  if (op !== 'Mul' || domain !== '' || value === undefined || factor === undefined) return undefined;
  const cast = makers.get(factor);
  const mask = cast?.inputs[0];
  if (cast?.op !== 'Cast' || intOf(cast, 'to', 0) !== FLOAT || mask === undefined) return undefined;
  return booleans.has(makers.get(mask)?.op ?? '') ? { value, mask } : undefined;
}

const booleans: ReadonlySet<string> = new Set(['Equal', 'Greater', 'Less', 'And', 'Or', 'Not']);

function standard(
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: IrNode['attributes'] = {},
): IrNode {
  return { op, domain: '', name: `merged_${outputs.join('_')}`, inputs, outputs, attributes };
}

function countReaders(nodes: readonly IrNode[]): ReadonlyMap<string, number> {
  const readers = new Map<string, number>();
  for (const { inputs } of nodes) for (const input of inputs) readers.set(input, (readers.get(input) ?? 0) + 1);
  return readers;
}
