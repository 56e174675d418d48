// A further head beside those that a network has, on the boundary tensors of its backbone. What is there stays as it is: nodes
// and tensors are only added, so checkpoints of the other scopes fit the wider network too.
import type { GraphIr, IrNode, IrTensor, ValueInfo } from '../onnx/ir.ts';
import { BACKBONE, networkOf } from './network.ts';
import type { Network } from './network.ts';
import { NetworkError } from './network-error.ts';
import { scopeMetadata } from './scopes.ts';

/** What a head adds to a graph: it reads boundary tensors by their names; every other name is its own. */
export interface HeadGraph {
  readonly nodes: readonly IrNode[];
  readonly initializers: ReadonlyMap<string, IrTensor>;
  readonly outputs: readonly ValueInfo[];
}

/** @throws NetworkError for a name that is taken, or a head that does not stand on the boundary alone. */
export function addHead(network: Network, name: string, head: HeadGraph): Network {
  const { graph, scopes } = network;
  if (name === BACKBONE || scopes.heads[name] !== undefined || scopes.necks?.[name] !== undefined)
    throw new NetworkError(
      `the model has a scope "${name}" already; give the new head another name`,
      'Give the new head another name.',
    );
  refuseTakenNames(graph, name, head);
  refuseOtherInputs(network, name, head);
  const outputs = head.outputs.map((output) => output.name);
  const wider = { ...scopes, heads: { ...scopes.heads, [name]: { outputs } } };
  return networkOf({
    ...graph,
    nodes: [...graph.nodes, ...head.nodes],
    initializers: new Map([...graph.initializers, ...head.initializers]),
    outputs: [...graph.outputs, ...head.outputs],
    metadata: { ...graph.metadata, ...scopeMetadata(wider) },
  });
}

function refuseTakenNames(graph: GraphIr, name: string, { nodes, initializers }: HeadGraph): void {
  const taken = new Set([
    ...graph.inputs.map((input) => input.name),
    ...graph.initializers.keys(),
    ...graph.nodes.flatMap((node) => node.outputs),
  ]);
  const found = [...initializers.keys(), ...nodes.flatMap((node) => node.outputs)].find((value) => taken.has(value));
  if (found !== undefined)
    throw new NetworkError(
      `head "${name}" makes tensor "${found}", which the model has already; rename the head`,
      'Give the new head another name.',
    );
}

function refuseOtherInputs({ scopes }: Network, name: string, { nodes, initializers, outputs }: HeadGraph): void {
  const { boundary } = scopes.backbone;
  const made = new Set([...boundary, ...initializers.keys(), ...nodes.flatMap((node) => node.outputs)]);
  const stray = [...nodes.flatMap((node) => node.inputs), ...outputs.map((output) => output.name)].find(
    (value) => value !== '' && !made.has(value),
  );
  if (stray !== undefined)
    throw new NetworkError(
      `head "${name}" reads "${stray}", which is no boundary tensor of the backbone (${boundary.join(', ')})`,
      'Let the head read boundary tensors only: export it anew, from them on.',
    );
  const reads = nodes.flatMap((node) => node.inputs);
  if (!boundary.some((value) => reads.includes(value)))
    throw new NetworkError(
      `head "${name}" reads no boundary tensor of the backbone (${boundary.join(', ')})`,
      'Let the head read boundary tensors: export it anew, from them on.',
    );
}
