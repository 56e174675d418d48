// A float ONNX graph seen as a multi-task network: a backbone up to its boundary tensors, necks, one scope per head, in each
// scope its units; and what follows the heads' outputs, which stays float. The parts are found in the files beside this one.
import type { GraphIr, IrNode } from '../onnx/ir.ts';
import { FILE_LAYOUT_KEY } from '../onnx/channels-first.ts';
import { NetworkError } from './network-error.ts';
import { listParameters } from './parameters.ts';
import type { Parameter } from './parameters.ts';
import { assignScopes, keptValues, scopesOf } from './scopes.ts';
import type { ScopeNames } from './scopes.ts';
import { withQuantisers } from './shared-weights.ts';
import { groupUnits, readsOf } from './units.ts';
import type { Unit } from './units.ts';

export { NetworkError } from './network-error.ts';
export { BACKBONE, ancestorsOf, boundaryOf, scopeMetadata, scopeOrder } from './scopes.ts';
export type { ScopeNames } from './scopes.ts';
export type { Parameter, ParameterRole } from './parameters.ts';
export type { LayerUnit, PlainUnit, Unit } from './units.ts';

export interface NetworkInput {
  readonly name: string;
  /** [C, H, W], whatever the layout. */
  readonly shape: readonly [number, number, number];
  /** Of images in exported files; graphs inside headgate always take [N, C, H, W]. */
  readonly fileLayout: FileLayout;
}

export type FileLayout = 'NCHW' | 'NHWC';

export interface Network {
  readonly graph: GraphIr;
  readonly scopes: ScopeNames;
  readonly input: NetworkInput;
  /** The value that the first layer works on: the input, or the input after the scaling and shifting that the graph does. */
  readonly normalised: string;
  /** In execution order. */
  readonly units: readonly Unit[];
  readonly parameters: readonly Parameter[];
  /** Nodes after the heads' outputs that the graph's own outputs need: in-graph post-processing, always float. */
  readonly tail: readonly IrNode[];
}

/** @throws NetworkError when the model carries no scopes or they do not fit it. */
export function networkOf(graph: GraphIr): Network {
  return recogniseNetwork(graph, scopesOf(graph));
}

/** What a model takes and gives, without looking inside: enough to run an exported file. */
export type NetworkInterface = Pick<Network, 'scopes' | 'input'>;

/** Of an exported file. @throws NetworkError when it carries no scopes or does not have one image input. */
export function interfaceOf(graph: GraphIr): NetworkInterface {
  const input = inputOf(graph);
  const [first, second, third] = input.shape;
  const shape = input.fileLayout === 'NHWC' ? ([third, first, second] as const) : input.shape;
  return { scopes: scopesOf(graph), input: { ...input, shape } };
}

/** @throws NetworkError naming what does not fit. */
export function recogniseNetwork(graph: GraphIr, scopes: ScopeNames): Network {
  const input = inputOf(graph);
  const scopeOf = assignScopes(graph, scopes);
  const tail = tailOf(graph, scopeOf);
  const kept = new Set([...keptValues(scopes), ...tail.flatMap((node) => node.inputs)]);
  const grouped = groupUnits(graph, scopeOf, kept);
  const normalised = afterNormalisation(graph, input.name, grouped, kept);
  const outputs = new Set(Object.values(scopes.heads).flatMap((head) => head.outputs));
  const units = withQuantisers(graph, grouped, { normalised, outputs });
  const parameters = listParameters(graph, units);
  return { graph, scopes, input, normalised, units, parameters, tail };
}

function inputOf(graph: GraphIr): NetworkInput {
  const input = graph.inputs[0];
  if (input === undefined || graph.inputs.length !== 1)
    throw new NetworkError(
      `the model has ${graph.inputs.length} inputs; headgate trains models with one image input`,
      'Export the model with one input, its image.',
    );
  const dims = input.shape ?? [];
  const [, channels, height, width] = dims;
  if (dims.length !== 4 || typeof channels !== 'number' || typeof height !== 'number' || typeof width !== 'number') {
    throw new NetworkError(
      `input "${input.name}" has shape [${dims.join(', ')}]; [N, C, H, W] with fixed C, H, W is needed`,
      'Export the model with fixed sizes of its image; only the batch may be free.',
    );
  }
  const fileLayout = graph.metadata[FILE_LAYOUT_KEY] === 'NHWC' ? 'NHWC' : 'NCHW';
  return { name: input.name, shape: [channels, height, width], fileLayout };
}

/** Nodes without weights that headgate computes: all but the tail. */
export function computedNodes({ units }: Pick<Network, 'units'>): readonly IrNode[] {
  return units.flatMap((unit) => (unit.kind === 'plain' ? unit.nodes : []));
}

/** In the model's order. */
export function headNames(network: Pick<Network, 'scopes'>): readonly string[] {
  return Object.keys(network.scopes.heads);
}

const normalising: ReadonlySet<string> = new Set(['Mul', 'Div', 'Add', 'Sub', 'Transpose', 'Cast', 'Identity']);

/** Follows the image through operators that read nothing else but constants, as long as nothing else reads it. */
function afterNormalisation(graph: GraphIr, input: string, units: readonly Unit[], kept: ReadonlySet<string>): string {
  let value = input;
  for (;;) {
    const readers = units.filter((unit) => readsOf(graph, unit).includes(value));
    const [reader] = readers;
    if (readers.length !== 1 || reader?.kind !== 'plain' || !normalising.has(reader.op) || kept.has(value))
      return value;
    if (readsOf(graph, reader).length !== 1 || reader.nodes.length !== 1) return value;
    value = reader.output;
  }
}

function tailOf(graph: GraphIr, scopeOf: ReadonlyMap<IrNode, string>): readonly IrNode[] {
  const wanted = new Set(graph.outputs.map((output) => output.name));
  const tail: IrNode[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (scopeOf.has(node) || !node.outputs.some((output) => wanted.has(output))) continue;
    for (const input of node.inputs) wanted.add(input);
    tail.unshift(node);
  }
  return tail;
}
