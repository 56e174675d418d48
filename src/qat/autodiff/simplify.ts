// Makes a training graph as small as it can be without changing a bit, so that the runtime need not: nodes that compute the
// same from the same are one, and what no output needs is left out. Each of onnxruntime's own passes walks all nodes, and
// all together left more of them.
import type { GraphBuilder } from '../onnx/builder.ts';
import type { Attribute, IrNode } from '../onnx/ir.ts';

/** Rewrites `b.nodes` in place; nodes that write one of `outputs` keep its name. */
export function simplify(b: GraphBuilder, outputs: ReadonlySet<string>): void {
  // What nothing reads first, so that it is not compared.
  const shared = shareEqual(needed(b.nodes, outputs), outputs);
  b.nodes.splice(0, b.nodes.length, ...shared);
}

function shareEqual(nodes: readonly IrNode[], outputs: ReadonlySet<string>): readonly IrNode[] {
  const first = new Map<string, IrNode>();
  const names = new Map<string, string>();
  const kept: IrNode[] = [];
  for (const written of nodes) {
    const node = { ...written, inputs: written.inputs.map((input) => names.get(input) ?? input) };
    const key = keyOf(node);
    const same = key === undefined || node.outputs.some((output) => outputs.has(output)) ? undefined : first.get(key);
    if (same === undefined) {
      if (key !== undefined) first.set(key, node);
      kept.push(node);
      continue;
    }
    for (const [place, output] of node.outputs.entries()) names.set(output, same.outputs[place] as string);
  }
  return kept;
}

/** Equal keys, equal values; undefined for nodes that are not compared. */
function keyOf({ op, domain, inputs, outputs, attributes }: IrNode): string | undefined {
  const written = Object.keys(attributes).sort();
  const texts = written.map((name) => textOf(attributes[name] as Attribute));
  if (texts.includes(undefined)) return undefined;
  const present = outputs.map((output) => (output === '' ? 0 : 1)).join('');
  return JSON.stringify([op, domain, inputs, present, written, texts]);
}

function textOf({ kind, value }: Attribute): string | undefined {
  return kind === 'tensor' ? undefined : JSON.stringify([kind, value]);
}

/** Of nodes in execution order. */
function needed(nodes: readonly IrNode[], outputs: ReadonlySet<string>): readonly IrNode[] {
  const read = new Set(outputs);
  const kept: IrNode[] = [];
  for (const node of [...nodes].reverse()) {
    if (!node.outputs.some((output) => read.has(output))) continue;
    for (const input of node.inputs) read.add(input);
    kept.push(node);
  }
  return kept.reverse();
}
