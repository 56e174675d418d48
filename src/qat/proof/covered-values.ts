// Whether the units that a network was divided into make everything that they read and give: a node that no unit holds would be
// missing from whatever is deployed.
import { keptValues } from '../network/scopes.ts';
import type { Network, Unit } from '../network/network.ts';
import { nodesOf, readsOf } from '../network/units.ts';

/** @returns in words, the first value of these scopes that no unit makes as the graph does. */
export function missingValue(network: Network, scopes: ReadonlySet<string>): string | undefined {
  const { graph, units, input } = network;
  const made = new Set([input.name, ...units.flatMap(valuesOf)]);
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  for (const unit of units) {
    if (!scopes.has(unit.scope)) continue;
    const missing = readsOf(graph, unit).find((value) => !made.has(value));
    if (missing !== undefined)
      return `the unit that makes "${unit.output}" reads "${missing}", which no unit of the network makes`;
    const unlike = nodesOf(unit).find((node) => {
      const own = producers.get(node.outputs[0] ?? '');
      return own === undefined || own.op !== node.op || own.inputs.join('\n') !== node.inputs.join('\n');
    });
    if (unlike !== undefined)
      return `layer "${unit.kind === 'layer' ? unit.quantiser : unit.output}" holds ${unlike.op} "${unlike.name}" otherwise than the float graph`;
  }
  const kept = [...keptValues(network.scopes)].find((value) => producers.has(value) && !made.has(value));
  return kept === undefined ? undefined : `no unit of the network makes "${kept}"`;
}

/** A value inside an activation's spelling is read there alone. */
function valuesOf(unit: Unit): readonly string[] {
  return unit.kind === 'plain' ? unit.outputs : [unit.linear, unit.output];
}
