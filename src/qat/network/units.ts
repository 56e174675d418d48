// The units that quantisation cares about: a layer (an operator with constant weights, its bias, batch norm and activation) or
// a plain group of nodes. Units are the largest groups that some target fuses; where quantisers stand, inside them too, is
// decided by the placement table of a target.
import type { GraphIr, IrNode, IrTensor } from '../onnx/ir.ts';
import { floatOf, intOf } from '../onnx/ir.ts';
import { activationAfter, gatedAfter } from './activations.ts';
import type { Activation, ConsumersOf } from './activations.ts';
import { ranksOf } from './ranks.ts';

export interface LayerUnit {
  readonly kind: 'layer';
  readonly scope: string;
  /** Conv, ConvTranspose, Gemm or MatMul. */
  readonly node: IrNode;
  readonly weight: string;
  /** The name of its weight's quantiser: the weight's own, but where layers use one weight in different ways. */
  readonly quantiser: string;
  /** One value for each output channel, or one for all. */
  readonly bias?: string;
  /** The Add that a MatMul's bias is spelled with. */
  readonly biasAdd?: IrNode;
  readonly norm?: IrNode;
  readonly activation?: Activation;
  readonly input: string;
  /** Before the activation; the output itself where there is none. */
  readonly linear: string;
  readonly output: string;
}

/** Any other node; an Add or BatchNormalization with a following Relu is one unit, and so is a spelled-out activation. */
export interface PlainUnit {
  readonly kind: 'plain';
  readonly scope: string;
  /** The name that placement tables know it by. */
  readonly op: string;
  readonly nodes: readonly IrNode[];
  /** The last node's first output; `outputs` are all of them. */
  readonly output: string;
  readonly outputs: readonly string[];
}

export type Unit = LayerUnit | PlainUnit;

/** Nodes of a unit in execution order. */
export function nodesOf(unit: Unit): readonly IrNode[] {
  return unit.kind === 'plain' ? unit.nodes : [...linearNodes(unit), ...(unit.activation?.nodes ?? [])];
}

/** Of a layer, what stands before its activation. */
export function linearNodes({ node, biasAdd, norm }: LayerUnit): readonly IrNode[] {
  return [node, biasAdd, norm].filter((found) => found !== undefined);
}

/** Values that a unit reads: other units' outputs, the network's input, boundary tensors; no constants. */
export function readsOf(graph: GraphIr, unit: Unit): readonly string[] {
  const nodes = nodesOf(unit);
  const made = new Set(nodes.flatMap((node) => node.outputs));
  const read = nodes.flatMap((node) => node.inputs);
  return [...new Set(read.filter((name) => name !== '' && !made.has(name) && !graph.initializers.has(name)))];
}

/** @param kept values that must stay visible: nothing fuses across them. */
export function groupUnits(
  graph: GraphIr,
  scopeOf: ReadonlyMap<IrNode, string>,
  kept: ReadonlySet<string>,
): readonly Unit[] {
  const grouping = new Grouping(graph, scopeOf, kept);
  return graph.nodes.flatMap((node) => grouping.unitFrom(node));
}

class Grouping {
  private readonly taken = new Set<IrNode>();
  private readonly graph: GraphIr;
  private readonly scopeOf: ReadonlyMap<IrNode, string>;
  private readonly consumersOf: ConsumersOf;
  private ranks: ReadonlyMap<string, number> | undefined;

  constructor(graph: GraphIr, scopeOf: ReadonlyMap<IrNode, string>, kept: ReadonlySet<string>) {
    this.graph = graph;
    this.scopeOf = scopeOf;
    const consumers = new Map<string, IrNode[]>();
    for (const node of graph.nodes.filter((candidate) => scopeOf.has(candidate)))
      for (const input of new Set(node.inputs)) consumers.set(input, [...(consumers.get(input) ?? []), node]);
    this.consumersOf = (value) => (kept.has(value) ? [] : (consumers.get(value) ?? []));
  }

  unitFrom(node: IrNode): readonly Unit[] {
    const scope = this.scopeOf.get(node);
    if (scope === undefined || this.taken.has(node)) return [];
    const unit = this.layer(node, scope) ?? this.plain(node, scope);
    for (const member of nodesOf(unit)) this.taken.add(member);
    return [unit];
  }

  private layer(node: IrNode, scope: string): LayerUnit | undefined {
    const [input, weight, direct] = node.inputs;
    if (input === undefined || weight === undefined || !isLayer(this.graph, node)) return undefined;
    const biasAdd = node.op === 'MatMul' ? this.biasAfter(node.outputs[0] as string, weight) : undefined;
    const bias = biasAdd === undefined ? direct : biasAdd.inputs.find((name) => this.graph.initializers.has(name));
    const biased = (biasAdd ?? node).outputs[0] as string;
    const norm = this.channelsAreSecond(node) ? this.normAfter(biased) : undefined;
    const linear = norm?.outputs[0] ?? biased;
    const activation = activationAfter(this.graph, linear, this.consumersOf);
    return {
      kind: 'layer',
      scope,
      node,
      weight,
      quantiser: weight,
      ...(bias === undefined || bias === '' ? {} : { bias }),
      ...(biasAdd === undefined ? {} : { biasAdd }),
      ...(norm === undefined ? {} : { norm }),
      ...(activation === undefined ? {} : { activation }),
      input,
      linear,
      output: activation?.nodes.at(-1)?.outputs[0] ?? linear,
    };
  }

  private plain(node: IrNode, scope: string): PlainUnit {
    const nodes = this.plainNodes(node);
    const last = nodes.nodes.at(-1) as IrNode;
    const outputs = last.outputs.filter((output) => output !== '');
    return { kind: 'plain', scope, ...nodes, output: outputs[0] as string, outputs };
  }

  private plainNodes(node: IrNode): Activation {
    const spelled = gatedAfter(this.graph, node.inputs[0] ?? '', this.consumersOf);
    if (spelled?.nodes[0] === node) return spelled;
    const follower = ['Add', 'BatchNormalization'].includes(node.op) ? this.only(node.outputs[0] as string) : undefined;
    if (follower?.op === 'Relu') return { op: node.op, nodes: [node, follower] };
    return { op: node.domain === '' ? node.op : `${node.domain}.${node.op}`, nodes: [node] };
  }

  private only(value: string): IrNode | undefined {
    const consumers = this.consumersOf(value);
    return consumers.length === 1 ? consumers[0] : undefined;
  }

  private normAfter(value: string): IrNode | undefined {
    const node = this.only(value);
    const parameters = node?.inputs.slice(1) ?? [];
    if (node?.op !== 'BatchNormalization' || !parameters.every((name) => this.graph.initializers.has(name)))
      return undefined;
    return node;
  }

  /**
   * Whether a batch norm after the layer, which normalises along the second axis, normalises the layer's channels. MatMul's are
   * last: of [N, T, C] it would normalise T, which cannot be folded.
   */
  private channelsAreSecond(node: IrNode): boolean {
    if (node.op !== 'MatMul') return true;
    this.ranks ??= ranksOf(this.graph);
    return this.ranks.get(node.outputs[0] as string) === 2;
  }

  /** An Add of a constant vector: one value for each of the product's channels, or one for all. */
  private biasAfter(value: string, weight: string): IrNode | undefined {
    const node = this.only(value);
    const tensor = node?.inputs.map((name) => this.graph.initializers.get(name)).find((found) => found !== undefined);
    if (node?.op !== 'Add' || tensor?.shape.length !== 1) return undefined;
    const [length] = tensor.shape;
    return length === 1 || length === this.graph.initializers.get(weight)?.shape[1] ? node : undefined;
  }
}

/** Whether a node's weights are constant, and lie as the quantiser of a layer needs them. */
function isLayer(graph: GraphIr, node: IrNode): boolean {
  if (node.domain !== '') return false;
  const weight = graph.initializers.get(node.inputs[1] ?? '');
  const bias = node.inputs[2] ?? '';
  if (weight?.dtype !== 'float32' || (bias !== '' && !graph.initializers.has(bias))) return false;
  switch (node.op) {
    case 'Conv':
    case 'ConvTranspose':
      return true;
    case 'MatMul':
      return weight.shape.length === 2;
    case 'Gemm':
      return isPlainGemm(node, graph.initializers.get(bias));
    default:
      return false;
  }
}

function isPlainGemm(node: IrNode, bias: IrTensor | undefined): boolean {
  const scaled = floatOf(node, 'alpha', 1) !== 1 || floatOf(node, 'beta', 1) !== 1;
  return !scaled && intOf(node, 'transA', 0) === 0 && (bias === undefined || bias.shape.length === 1);
}
