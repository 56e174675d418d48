// One weight read by several layers: a single trained parameter with as many deployed forms as it is used in different ways.
// Uses that fold another batch norm into it, lay its channels along another axis or take another number format have each a
// quantiser of their own; uses that are alike share one. Not for what the quantisers are: placement.ts, deploy.ts.
import { floatOf } from '../onnx/ir.ts';
import type { GraphIr } from '../onnx/ir.ts';
import type { LayerUnit, Unit } from './units.ts';
import { weightLayout } from './weight-layout.ts';

/** Layers that a profile gives other bits than the rest of their scope. */
export interface EndsOfNetwork {
  /** What the first layers read. */
  readonly normalised: string;
  /** What the last layers make. */
  readonly outputs: ReadonlySet<string>;
}

/** The layers with the names of their weights' quantisers: the weight's own, `weight@value` for a use unlike those before it. */
export function withQuantisers(graph: GraphIr, units: readonly Unit[], ends: EndsOfNetwork): readonly Unit[] {
  const uses = new Map<string, Map<string, string>>();
  return units.map((unit) => {
    if (unit.kind !== 'layer') return unit;
    const names = uses.get(unit.weight) ?? new Map<string, string>();
    uses.set(unit.weight, names);
    const use = useOf(graph, unit, ends);
    const quantiser = names.get(use) ?? (names.size === 0 ? unit.weight : nameOf(graph, unit));
    names.set(use, quantiser);
    return { ...unit, quantiser };
  });
}

/** All that the scales of a use depend on besides the weight's values. */
function useOf(graph: GraphIr, { node, weight, norm, input, output }: LayerUnit, ends: EndsOfNetwork): string {
  const { axis, outputs } = weightLayout(node, graph.initializers.get(weight)?.shape ?? []);
  const folded = norm === undefined ? [] : [norm.inputs[1], norm.inputs[4], floatOf(norm, 'epsilon', 1e-5)];
  return JSON.stringify([axis, outputs, ...folded, input === ends.normalised, ends.outputs.has(output)]);
}

function nameOf({ initializers }: GraphIr, { weight, linear }: LayerUnit): string {
  let name = `${weight}@${linear}`;
  while (initializers.has(name)) name = `${name}@`;
  return name;
}

/**
 * Layers whose batch norm can be folded into the parameters themselves before training: those whose weight, bias and batch
 * norm nothing else reads. What several layers share has no one folded value; it stays unfolded, and is folded in the graph.
 */
export function foldableLayers(graph: GraphIr, units: readonly Unit[]): ReadonlySet<Unit> {
  const readers = new Map<string, number>();
  for (const node of graph.nodes)
    for (const input of new Set(node.inputs)) readers.set(input, (readers.get(input) ?? 0) + 1);
  const alone = (name: string): boolean => (readers.get(name) ?? 0) <= 1;
  return new Set(
    units.filter((unit) => {
      if (unit.kind !== 'layer' || unit.norm === undefined) return false;
      const own = [unit.weight, ...(unit.bias === undefined ? [] : [unit.bias]), ...unit.norm.inputs.slice(1)];
      return own.every(alone) && new Set(own).size === own.length;
    }),
  );
}
