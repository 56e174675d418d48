// A float ONNX graph seen as a multi-task network: a backbone up to its boundary tensors, one scope per head, and in each
// scope the units that quantisation cares about (convolution with its batch norm and activation, or a plain node).
import type { GraphIr, IrNode } from '../onnx/ir.ts';

export const BACKBONE = 'backbone';

export interface ScopeNames {
  readonly backbone: { readonly boundary: readonly string[] };
  readonly heads: { readonly [name: string]: { readonly outputs: readonly string[] } };
}

/** Conv (+ BatchNormalization) (+ Relu), fused as targets fuse them. */
export interface LayerUnit {
  readonly kind: 'layer';
  readonly scope: string;
  readonly conv: IrNode;
  readonly weight: string;
  readonly bias?: string;
  readonly norm?: IrNode;
  readonly activation?: IrNode;
  readonly input: string;
  readonly output: string;
}

/** Any other node; an Add with a following Relu is one unit, so that one quantiser follows both. */
export interface PlainUnit {
  readonly kind: 'plain';
  readonly scope: string;
  readonly nodes: readonly IrNode[];
  readonly output: string;
}

export type Unit = LayerUnit | PlainUnit;

export type ParameterRole = 'weight' | 'bias' | 'gamma' | 'beta' | 'mean' | 'variance';

export interface Parameter {
  readonly name: string;
  readonly scope: string;
  readonly role: ParameterRole;
  readonly shape: readonly number[];
}

export interface Network {
  readonly graph: GraphIr;
  readonly scopes: ScopeNames;
  readonly input: { readonly name: string; readonly shape: readonly [number, number, number] };
  /** In execution order. */
  readonly units: readonly Unit[];
  readonly parameters: readonly Parameter[];
}

/** The graph does not divide into a backbone and heads as named: a user's problem, with the tensor or node at fault. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError';
}

const METADATA_KEY = 'headgate.scopes';

/** The model metadata that `networkOf` reads scopes from. */
export function scopeMetadata(scopes: ScopeNames): { readonly [key: string]: string } {
  return { [METADATA_KEY]: JSON.stringify(scopes) };
}

/** @throws NetworkError when the model carries no scopes or they do not fit it. */
export function networkOf(graph: GraphIr): Network {
  return recogniseNetwork(graph, scopesOf(graph));
}

/** What a model takes and gives, without looking inside: enough to run an exported file. */
export type NetworkInterface = Pick<Network, 'scopes' | 'input'>;

/** @throws NetworkError when the model carries no scopes or does not have one image input. */
export function interfaceOf(graph: GraphIr): NetworkInterface {
  return { scopes: scopesOf(graph), input: inputOf(graph) };
}

/** @throws NetworkError naming what does not fit. */
export function recogniseNetwork(graph: GraphIr, scopes: ScopeNames): Network {
  const input = inputOf(graph);
  const scopeOf = assignScopes(graph, scopes);
  const kept = new Set([...scopes.backbone.boundary, ...Object.values(scopes.heads).flatMap((head) => head.outputs)]);
  const units = groupUnits(graph, scopeOf, kept);
  return { graph, scopes, input, units, parameters: listParameters(graph, units) };
}

function scopesOf(graph: GraphIr): ScopeNames {
  const written = graph.metadata[METADATA_KEY];
  if (written === undefined)
    throw new NetworkError(
      `the model names no scopes (metadata "${METADATA_KEY}"); import it with its boundary and heads`,
    );
  return readScopes(written);
}

function readScopes(written: string): ScopeNames {
  const refused = new NetworkError(
    `the model's metadata "${METADATA_KEY}" is not {"backbone": {"boundary": [...]}, "heads": {...}}`,
  );
  let scopes: unknown;
  try {
    scopes = JSON.parse(written);
  } catch {
    throw refused;
  }
  const { backbone, heads } = isRecord(scopes) ? scopes : {};
  if (!isRecord(backbone) || !isNames(backbone['boundary']) || !isRecord(heads)) throw refused;
  if (!Object.values(heads).every((head) => isRecord(head) && isNames(head['outputs']))) throw refused;
  return scopes as ScopeNames;
}

function isRecord(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === 'string');
}

function inputOf(graph: GraphIr): Network['input'] {
  const input = graph.inputs[0];
  if (input === undefined || graph.inputs.length !== 1)
    throw new NetworkError(`the model has ${graph.inputs.length} inputs; headgate trains models with one image input`);
  const dims = input.shape ?? [];
  const [, channels, height, width] = dims;
  if (dims.length !== 4 || typeof channels !== 'number' || typeof height !== 'number' || typeof width !== 'number') {
    throw new NetworkError(
      `input "${input.name}" has shape [${dims.join(', ')}]; [N, C, H, W] with fixed C, H, W is needed`,
    );
  }
  return { name: input.name, shape: [channels, height, width] };
}

/** In the model's order. */
export function headNames(network: Network): readonly string[] {
  return Object.keys(network.scopes.heads);
}

function assignScopes(graph: GraphIr, scopes: ScopeNames): ReadonlyMap<IrNode, string> {
  const producer = new Map<string, IrNode>();
  for (const node of graph.nodes) for (const output of node.outputs) producer.set(output, node);
  const scopeOf = new Map<IrNode, string>();
  const claim = (values: readonly string[], scope: string): void => {
    const stack = [...values];
    while (stack.length > 0) {
      const value = stack.pop() as string;
      const node = producer.get(value);
      if (node === undefined) continue;
      const owner = scopeOf.get(node);
      if (owner === scope || owner === BACKBONE) continue;
      if (owner !== undefined) {
        throw new NetworkError(
          `node "${node.name}" (${node.op}) is reached by heads "${owner}" and "${scope}"; move the boundary after it so that it belongs to the backbone`,
        );
      }
      scopeOf.set(node, scope);
      stack.push(...node.inputs);
    }
  };
  for (const value of scopes.backbone.boundary) requireValue(producer, value, 'boundary tensor');
  claim(scopes.backbone.boundary, BACKBONE);
  const boundary = new Set(scopes.backbone.boundary);
  for (const [name, head] of Object.entries(scopes.heads)) {
    for (const value of head.outputs) requireValue(producer, value, `output of head "${name}"`);
    claim(head.outputs, name);
  }
  for (const node of graph.nodes) {
    const scope = scopeOf.get(node);
    if (scope === undefined || scope === BACKBONE) continue;
    for (const input of node.inputs) {
      const from = producer.get(input);
      if (from !== undefined && scopeOf.get(from) === BACKBONE && !boundary.has(input)) {
        throw new NetworkError(
          `head "${scope}" reads "${input}" from inside the backbone; name it as a boundary tensor`,
        );
      }
    }
  }
  return scopeOf;
}

function requireValue(producer: ReadonlyMap<string, IrNode>, value: string, what: string): void {
  if (producer.has(value)) return;
  const some = [...producer.keys()].slice(-6).join(', ');
  throw new NetworkError(`${what} "${value}" is not a tensor of the model (its last ones: ${some})`);
}

function groupUnits(graph: GraphIr, scopeOf: ReadonlyMap<IrNode, string>, kept: ReadonlySet<string>): readonly Unit[] {
  const consumers = new Map<string, IrNode[]>();
  for (const node of graph.nodes)
    for (const input of node.inputs) consumers.set(input, [...(consumers.get(input) ?? []), node]);
  const onlyConsumer = (value: string, op: string): IrNode | undefined => {
    const [first, ...others] = consumers.get(value) ?? [];
    return first?.op === op && others.length === 0 && !kept.has(value) ? first : undefined;
  };
  const taken = new Set<IrNode>();
  const units: Unit[] = [];
  for (const node of graph.nodes) {
    const scope = scopeOf.get(node);
    if (scope === undefined || taken.has(node)) continue;
    const output = node.outputs[0] as string;
    if (node.op === 'Conv' && graph.initializers.has(node.inputs[1] as string)) {
      const norm = onlyConsumer(output, 'BatchNormalization');
      const activation = onlyConsumer(norm?.outputs[0] ?? output, 'Relu');
      if (norm !== undefined) taken.add(norm);
      if (activation !== undefined) taken.add(activation);
      const bias = node.inputs[2];
      units.push({
        kind: 'layer',
        scope,
        conv: node,
        weight: node.inputs[1] as string,
        ...(bias === undefined || bias === '' ? {} : { bias }),
        ...(norm === undefined ? {} : { norm }),
        ...(activation === undefined ? {} : { activation }),
        input: node.inputs[0] as string,
        output: activation?.outputs[0] ?? norm?.outputs[0] ?? output,
      });
      continue;
    }
    const relu = node.op === 'Add' ? onlyConsumer(output, 'Relu') : undefined;
    if (relu !== undefined) taken.add(relu);
    units.push({
      kind: 'plain',
      scope,
      nodes: relu === undefined ? [node] : [node, relu],
      output: relu?.outputs[0] ?? output,
    });
  }
  return units;
}

function listParameters(graph: GraphIr, units: readonly Unit[]): readonly Parameter[] {
  const parameters = new Map<string, Parameter>();
  const add = (name: string | undefined, scope: string, role: ParameterRole): void => {
    const tensor = name === undefined ? undefined : graph.initializers.get(name);
    if (name === undefined || tensor === undefined) return;
    const known = parameters.get(name);
    if (known !== undefined && known.scope !== scope) {
      throw new NetworkError(
        `parameter "${name}" is shared by scopes "${known.scope}" and "${scope}"; a frozen scope could not keep it`,
      );
    }
    parameters.set(name, { name, scope, role, shape: tensor.shape });
  };
  for (const unit of units) {
    if (unit.kind !== 'layer') continue;
    add(unit.weight, unit.scope, 'weight');
    add(unit.bias, unit.scope, 'bias');
    if (unit.norm === undefined) continue;
    const [, gamma, beta, mean, variance] = unit.norm.inputs;
    add(gamma, unit.scope, 'gamma');
    add(beta, unit.scope, 'beta');
    add(mean, unit.scope, 'mean');
    add(variance, unit.scope, 'variance');
  }
  return [...parameters.values()];
}
