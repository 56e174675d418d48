// The first net under the kernel: with all quantisers off, what is deployed is the float graph. Every layer is computed twice on
// probe images, from the float graph's own values: as the graph's nodes, and in its deployed form with batch norm folded. Since
// each unit is held to the graph from the graph's values, all of them together are; a difference is told of the first layer
// that has one. What rounding does to weights is the second net's (weight-grid.ts).
import { floatOf } from '../onnx/ir.ts';
import type { GraphIr, IrNode, IrTensor } from '../onnx/ir.ts';
import { GraphBuilder } from '../onnx/builder.ts';
import { encodeModel } from '../onnx/codec.ts';
import { emitLinear } from '../network/emit-layer.ts';
import { foldLayer } from '../network/fold.ts';
import type { FoldedLayer, Parameters } from '../network/fold.ts';
import type { LayerUnit, Network } from '../network/network.ts';
import { channelColumn, weightLayout } from '../network/weight-layout.ts';
import { createSession, RuntimeError } from '../runtime/onnxruntime.ts';
import type { Tensor } from '../../support/tensor.ts';
import { missingValue } from './covered-values.ts';

/**
 * Largest difference of a value over the sum of the magnitudes that it is added up from: Σ|x·w'| + |bias'| and what batch norm
 * adds and takes. Float32 rounds each operation by at most 6e-8 of its result, so sums in another order differ by that times
 * the root of their length at worst, relative to this sum; a wrong γ, ε or statistic is a share of the sum itself.
 */
export const FOLDING_TOLERANCE = 1e-5;

export interface FormToProve {
  /** Its graph is the truth, its units are what the kernel made of it. */
  readonly network: Network;
  /** The parameters of every scope that the checked layers stand on. */
  readonly parameters: Parameters;
  /** Whose layers are checked. */
  readonly scopes: ReadonlySet<string>;
  /** Probe images [N, C, H, W]; a few are enough. */
  readonly images: Tensor;
  readonly threads: number;
  /** How layers are deployed; the tests of this net plant their faults here. */
  readonly fold?: (unit: LayerUnit, parameters: Parameters) => FoldedLayer;
}

export interface DeployedForm {
  readonly layers: number;
  /** Largest difference found, in the measure of the tolerance. */
  readonly largest: number;
  /** The first layer that differs, in words; none where the form is the float graph. */
  readonly problem?: string;
}

/** Compares layer by layer. Costs about three forwards of the probe images. */
export async function proveDeployedForm(what: FormToProve): Promise<DeployedForm> {
  const { network, scopes } = what;
  const layers = network.units.filter((unit): unit is LayerUnit => unit.kind === 'layer' && scopes.has(unit.scope));
  const stray = missingValue(network, scopes);
  if (stray !== undefined) return { layers: layers.length, largest: Infinity, problem: stray };
  if (layers.length === 0) return { layers: 0, largest: 0 };
  const all = await measured(what, layers).catch(otherForm);
  const found = typeof all === 'string' ? await oneByOne(what, layers) : all;
  const gaps = layers.map((unit) => found.get(unit) ?? { differing: 0, largest: 0 });
  const at = gaps.findIndex(({ differing }) => differing !== 0);
  const largest = gaps.reduce((most, gap) => Math.max(most, gap.largest), 0);
  const [unit, gap] = [layers[at], gaps[at]];
  if (unit === undefined || gap === undefined) return { layers: layers.length, largest };
  return { layers: layers.length, largest, problem: problemOf(unit, gap) };
}

interface Gap {
  /** How many values differ by more than the tolerance; Infinity where the shapes do. */
  readonly differing: number;
  readonly largest: number;
  /** The runtime's words where it cannot even compare them. */
  readonly refusal?: string;
}

function problemOf({ quantiser, linear }: LayerUnit, { differing, largest, refusal = '' }: Gap): string {
  const how = Number.isFinite(differing)
    ? `${differing} of its values by up to ${largest.toExponential(1)} of what they are added up from (allowed ${FOLDING_TOLERANCE})`
    : `in shape (${refusal})`;
  return `layer "${quantiser}" differs from the float graph at "${linear}" with all quantisers off: ${how}`;
}

/** The runtime's refusal of a form whose values do not even have the graph's shapes. */
function otherForm(cause: unknown): string {
  if (!(cause instanceof RuntimeError)) throw cause;
  return cause.message;
}

async function oneByOne(what: FormToProve, layers: readonly LayerUnit[]): Promise<ReadonlyMap<LayerUnit, Gap>> {
  for (const unit of layers) {
    const found = await measured(what, [unit]).catch(otherForm);
    if (typeof found === 'string') return new Map([[unit, { differing: Infinity, largest: Infinity, refusal: found }]]);
    if (found.get(unit)?.differing !== 0) return found;
  }
  return new Map();
}

async function measured(what: FormToProve, layers: readonly LayerUnit[]): Promise<ReadonlyMap<LayerUnit, Gap>> {
  const { network, images, threads } = what;
  const graph = gapGraph(what, layers);
  const session = await createSession(encodeModel(graph), { threads, optimisation: 'disabled' });
  try {
    const results = await session.run(new Map([[network.input.name, images]])).catch((cause: unknown) => {
      throw new RuntimeError(cause instanceof Error ? cause.message : String(cause));
    });
    const numberOf = (name: string): number => Number(results.get(name)?.data[0] ?? NaN);
    return new Map(
      layers.map((unit, index) => [
        unit,
        { differing: numberOf(`differing${index}`), largest: numberOf(`largest${index}`) },
      ]),
    );
  } finally {
    await session.release();
  }
}

/** The float graph as the model has it, and beside it each layer in its deployed form on the graph's own values. */
function gapGraph(what: FormToProve, layers: readonly LayerUnit[]): GraphIr {
  const { network, parameters, images, fold = foldLayer } = what;
  const b = new GraphBuilder('deployed.');
  const wanted = layers.flatMap(({ input, linear, output }) => [input, linear, output]);
  for (const node of leadingTo(network.graph, wanted)) {
    for (const name of node.inputs) {
      const tensor: IrTensor | undefined = parameters.get(name) ?? network.graph.initializers.get(name);
      if (tensor !== undefined) b.initializers.set(name, tensor);
    }
    // The builder counts names of its own; a model that a builder wrote has them too.
    b.nodes.push({ ...node, name: `float.${node.name}` });
  }
  const outputs = layers.flatMap((unit, index) => {
    const names = [`differing${index}`, `largest${index}`] as const;
    emitGap(b, network, unit, fold(unit, parameters), sumsOf(unit, parameters), names);
    return names.map((name) => ({ name, dtype: 'float32' as const }));
  });
  const { name, opset, domainVersions } = network.graph;
  const inputs = [{ name: network.input.name, dtype: 'float32' as const, shape: images.shape }];
  return b.finish({ name, opset, domainVersions, inputs, outputs });
}

function emitGap(
  b: GraphBuilder,
  { graph }: Network,
  unit: LayerUnit,
  { weight, bias }: FoldedLayer,
  sums: Float32Array,
  [differing, largest]: readonly [string, string],
): void {
  const { node, input, linear, activation } = unit;
  const constants = { weight: b.constant(weight), bias: b.constant(bias) };
  const made = emitLinear(b, unit, { input, ...constants });
  const magnitudes = [b.emit('Abs', [input]), b.emit('Abs', [constants.weight])];
  const column = channelColumn(node, weight.shape.length, sums.length);
  const added = b.emit('Add', [b.emit(node.op, magnitudes, node.attributes), b.floats([...sums], column)]);
  // Both must have one shape, or the reshaping fails: values that only broadcast against each other are no equals.
  const alike = b.emit('Reshape', [made, b.emit('Shape', [linear])]);
  const gap = b.emit('Abs', [b.emit('Sub', [alike, linear])]);
  const counts = [outside(b, gap, b.emit('Mul', [added, b.scalar(FOLDING_TOLERANCE)]))];
  if (activation !== undefined) counts.push(activatedOtherwise(b, graph, unit, activation.nodes));
  b.emit('Sum', counts, {}, { outputs: [differing] });
  const ratio = b.emit('Div', [gap, b.emit('Add', [added, b.scalar(1e-30)])]);
  b.emit('ReduceMax', [ratio], { keepdims: { kind: 'int', value: 0 } }, { outputs: [largest] });
}

/** How many values are not within the limit: a NaN never is. */
function outside(b: GraphBuilder, gap: string, limit: string): string {
  const far = b.emit('Not', [b.emit('LessOrEqual', [gap, limit])]);
  const counted = b.emit('Cast', [far], { to: { kind: 'int', value: 1 } });
  return b.emit('ReduceSum', [counted], { keepdims: { kind: 'int', value: 0 } });
}

/** The activation's nodes on the graph's own value before it, as they are copied into the deployed form. */
function activatedOtherwise(
  b: GraphBuilder,
  { initializers }: GraphIr,
  { output }: LayerUnit,
  nodes: readonly IrNode[],
): string {
  const names = new Map<string, string>();
  for (const node of nodes) {
    const inputs = node.inputs.map((name) => (initializers.has(name) ? name : (names.get(name) ?? name)));
    const made = b.emitAll(node.op, inputs, node.attributes, { outputs: node.outputs.length, domain: node.domain });
    node.outputs.forEach((name, index) => names.set(name, made[index] as string));
  }
  return outside(b, b.emit('Abs', [b.emit('Sub', [names.get(output) ?? output, output])]), b.scalar(0));
}

/** What is added to the products per output channel, |bias·γ'| + |mean·γ'| + |β|, from the parameters themselves. */
function sumsOf(unit: LayerUnit, parameters: Parameters): Float32Array {
  const read = (name: string | undefined): Float32Array => parameters.get(name ?? '')?.data ?? new Float32Array();
  const { outputs } = weightLayout(unit.node, parameters.get(unit.weight)?.shape ?? []);
  const bias = read(unit.bias);
  const [gamma, beta, mean, variance] = (unit.norm?.inputs.slice(1) ?? []).map(read);
  const epsilon = unit.norm === undefined ? 0 : floatOf(unit.norm, 'epsilon', 1e-5);
  return Float32Array.from({ length: outputs }, (_, channel) => {
    const own = Math.abs(bias[bias.length === 1 ? 0 : channel] ?? 0);
    if (gamma === undefined || beta === undefined || mean === undefined || variance === undefined) return own;
    const factor = Math.abs(gamma[channel] ?? 0) / Math.sqrt((variance[channel] ?? 0) + epsilon);
    return (own + Math.abs(mean[channel] ?? 0)) * factor + Math.abs(beta[channel] ?? 0);
  });
}

function leadingTo(graph: GraphIr, values: readonly string[]): readonly IrNode[] {
  const wanted = new Set(values);
  const nodes: IrNode[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((output) => wanted.has(output))) continue;
    for (const input of node.inputs) wanted.add(input);
    nodes.push(node);
  }
  return nodes.reverse();
}
