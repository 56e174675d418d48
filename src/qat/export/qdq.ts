// The deployed model as QDQ ONNX: weights as integers with per-channel DequantizeLinear, int32 biases, a
// QuantizeLinear/DequantizeLinear pair at every quantiser. Run unoptimised it computes exactly the VALIDATION forward.
// Also written for TensorRT, which wants float weights behind a pair of their own and nothing between a layer and its Relu.
import { GraphBuilder } from '../onnx/builder.ts';
import { int } from '../onnx/ir.ts';
import type { GraphIr, IrDType, IrNode, IrTensor } from '../onnx/ir.ts';
import { emitLinear, hasBias } from '../network/emit-layer.ts';
import { foldLayer } from '../network/fold.ts';
import { activationScale, deployedLayerOf, placementFor } from '../network/reference.ts';
import type { ScopeForward } from '../network/reference.ts';
import type { LayerUnit, Network, PlainUnit } from '../network/network.ts';
import type { ActivationQuantizer, Placement } from '../quantize/placement.ts';
import { limits } from '../quantize/scheme.ts';
import type { Format } from '../quantize/scheme.ts';
import { ExportError } from './export-error.ts';
import { emitImage, emitTail, exportedInputs, exportedMetadata, exportedOutputs, nodeForOpset } from './tail.ts';

/** The first that has types of 4 and 16 bits. */
export const EXPORT_OPSET = 21;
/**
 * For 8 bits where operators only move values: at opset 21 onnxruntime (1.30) moves an int8 pair past one of them, notes its
 * type in an attribute that older opsets lack, makes it uint8 and then refuses its own graph for the contradiction.
 */
const EIGHT_BIT_OPSET = 20;
export type QdqOpset = typeof EXPORT_OPSET | typeof EIGHT_BIT_OPSET;
const moving: ReadonlySet<string> = new Set(['MaxPool', 'Reshape', 'Slice', 'Squeeze', 'Transpose', 'Unsqueeze']);
const TENSORRT_OPSET = 18;

export interface ScaleRow {
  readonly tensor: string;
  readonly kind: 'activation' | 'weight';
  readonly scope: string;
  readonly dtype: IrDType;
  /** One, or one per channel along `axis`. */
  readonly scale: readonly number[];
  /** Of a weight: its channel axis. */
  readonly axis?: number;
}

export interface QdqModel {
  readonly graph: GraphIr;
  readonly scales: readonly ScaleRow[];
}

export interface QdqForm {
  readonly opset: number;
  /** 'integer': int8 constants behind DequantizeLinear; 'float': float constants behind a QuantizeLinear of their own. */
  readonly weights: 'integer' | 'float';
  /** Whether a layer's Relu or Clip gets a pair before it too: exact, and onnxruntime then runs integer kernels. */
  readonly commute: boolean;
}

const forms = {
  qdq: { opset: EXPORT_OPSET, weights: 'integer', commute: true },
  tensorrt: { opset: TENSORRT_OPSET, weights: 'float', commute: false },
} as const satisfies Record<string, QdqForm>;

/**
 * @param scopes every scope of the network, in VALIDATION.
 * @param outputShapes [C, H, W] of every head output; ONNX's checker asks for them.
 * @param opset of form 'qdq'; by default 21, and 20 for 8 bits where operators only move values.
 * @throws ExportError for a format without an ONNX type at that opset, or for TensorRT where a scope was made for another target.
 */
export function exportQdq(
  network: Network,
  scopes: ReadonlyMap<string, ScopeForward>,
  outputShapes: ReadonlyMap<string, readonly number[]>,
  form: keyof typeof forms = 'qdq',
  opset?: QdqOpset,
): QdqModel {
  refuseOtherRounding(scopes);
  if (form === 'tensorrt') refuseOtherTargets(scopes);
  const placement = placementFor(network, scopes);
  const writer = new QdqWriter(network, scopes, placement, forms[form]);
  writer.quantize(network.input.name, emitImage(writer.b, network));
  for (const unit of network.units) {
    if (unit.kind === 'layer') writer.layer(unit);
    else writer.plain(unit);
  }
  emitTail(writer.b, network, (value) => writer.actual(value), forms[form].opset);
  const graph = writer.b.finish({
    name: network.graph.name,
    opset: form === 'qdq' ? qdqOpset(placement, writer.b, opset) : forms[form].opset,
    domainVersions: network.graph.domainVersions,
    inputs: exportedInputs(network),
    outputs: exportedOutputs(network, outputShapes),
    metadata: exportedMetadata(network),
  });
  return { graph, scales: writer.scales };
}

/** Operators are written alike for both opsets. */
function qdqOpset({ activations, weights }: Placement, { nodes }: GraphBuilder, asked: QdqOpset | undefined): QdqOpset {
  const formats = [...activations.values(), ...weights.values()].map(({ format }) => format);
  const other = formats.find(({ bits }) => bits !== 8);
  if (other !== undefined && asked === EIGHT_BIT_OPSET)
    throw new ExportError(
      `${other.bits}-bit types need opset ${EXPORT_OPSET}; ${asked} was asked for`,
      'Leave `opset` out: the export chooses what its types need.',
    );
  const moves = nodes.some(({ op, domain }) => domain === '' && moving.has(op));
  return asked ?? (other === undefined && moves ? EIGHT_BIT_OPSET : EXPORT_OPSET);
}

function refuseOtherTargets(scopes: ReadonlyMap<string, ScopeForward>): void {
  for (const [scope, { checkpoint }] of scopes) {
    const target = checkpoint.quant?.profile.target;
    if (target === 'tensorrt') continue;
    throw new ExportError(
      `scope "${scope}" was calibrated for target ${target ?? 'onnxruntime'}; the TensorRT form needs a profile with "target": "tensorrt", whose quantisers stand where TensorRT expects them`,
    );
  }
}

/** QuantizeLinear divides: no pair of Q and DQ computes what a scope with the other rounding was validated with. */
function refuseOtherRounding(scopes: ReadonlyMap<string, ScopeForward>): void {
  for (const [scope, { checkpoint }] of scopes) {
    if ((checkpoint.quant?.profile.rounding ?? 'divide') === 'divide') continue;
    throw new ExportError(
      `scope "${scope}" rounds by ${checkpoint.quant?.profile.rounding}, which QuantizeLinear cannot express: it divides, and about one value in a million (8 bits) or two in ten thousand (16 bits) would differ by a step; calibrate it with rounding "divide"`,
    );
  }
}

export function integerType({ bits, signed }: Format): IrDType {
  const name = `${signed ? 'int' : 'uint'}${bits}`;
  if (bits === 4 || bits === 8 || bits === 16) return name as IrDType;
  throw new ExportError(`ONNX has no ${name}; use 4, 8 or 16 bits`);
}

const commuting: ReadonlySet<string> = new Set(['Relu', 'Clip']);

class QdqWriter {
  readonly b = new GraphBuilder('q');
  readonly scales: ScaleRow[] = [];
  private readonly names = new Map<string, string>();
  private readonly network: Network;
  private readonly scopes: ReadonlyMap<string, ScopeForward>;
  private readonly placement: Placement;
  private readonly form: QdqForm;

  constructor(network: Network, scopes: ReadonlyMap<string, ScopeForward>, placement: Placement, form: QdqForm) {
    this.network = network;
    this.scopes = scopes;
    this.placement = placement;
    this.form = form;
  }

  actual(value: string): string {
    return this.names.get(value) ?? value;
  }

  plain(unit: PlainUnit): void {
    const [first, ...others] = unit.nodes as readonly [IrNode, ...IrNode[]];
    this.node(first, unit.scope);
    this.finish(first.outputs[0] as string, unit.scope, unit.output, others);
  }

  layer(unit: LayerUnit): void {
    const { checkpoint } = this.scopes.get(unit.scope) as ScopeForward;
    const { layer, quantizer } = deployedLayerOf(this.placement, unit, checkpoint, this.scopes);
    const dtype = integerType(quantizer.format);
    const axis = layer.weightAxis;
    this.scales.push({
      tensor: unit.quantiser,
      kind: 'weight',
      scope: unit.scope,
      dtype,
      scale: [...layer.weightScales],
      axis,
    });
    const weightScale = this.vector(layer.weightScales);
    const steps =
      this.form.weights === 'integer'
        ? this.b.constant({ dtype, shape: layer.weightShape, data: layer.weightSteps }, 'weight')
        : this.roundedWeights(
            foldLayer(unit, checkpoint.parameters).weight,
            weightScale,
            layer.weightScales.length,
            axis,
          );
    const zeros = this.form.weights === 'integer' ? [] : [this.zeros(layer.weightScales.length)];
    const weight = this.b.emit('DequantizeLinear', [steps, weightScale, ...zeros], { axis: int(axis) });
    const input = this.actual(unit.input);
    const value = emitLinear(this.b, unit, { input, weight, bias: hasBias(unit) ? this.bias(layer) : '' });
    this.names.set(unit.linear, value);
    if (unit.activation === undefined || this.placement.activations.has(unit.linear)) this.quantize(unit.linear, value);
    if (unit.activation !== undefined) this.finish(unit.linear, unit.scope, unit.output, unit.activation.nodes);
  }

  private bias({ bias, biasGrid }: ReturnType<typeof deployedLayerOf>['layer']): string {
    if (biasGrid === undefined) return this.vector(bias);
    const steps = this.b.constant({ dtype: 'int32', shape: [bias.length], data: biasGrid.steps }, 'bias');
    return this.b.emit('DequantizeLinear', [steps, this.vector(biasGrid.scales)], { axis: int(0) });
  }

  private roundedWeights(weight: IrTensor, scale: string, channels: number, axis: number): string {
    const float = this.b.constant(weight, 'weight');
    return this.b.emit('QuantizeLinear', [float, scale, this.zeros(channels)], { axis: int(axis) });
  }

  private zeros(channels: number): string {
    return this.b.constant({ dtype: 'int8', shape: [channels], data: new Int8Array(channels) }, 'zero');
  }

  /**
   * What follows a unit's first step, then its quantiser. Relu and Clip are monotone and leave 0 alone, so that
   * quantise(relu(x)) = quantise(relu(quantise(x))) on a symmetric grid, and a layer ends in a pair as kernels expect.
   */
  private finish(from: string, scope: string, output: string, nodes: readonly IrNode[]): void {
    const quantizer = this.placement.activations.get(output);
    const [only, ...others] = nodes;
    const commutes = only !== undefined && others.length === 0 && commuting.has(only.op);
    if (this.form.commute && commutes && quantizer?.format.signed === true && quantizer.format.bits === 8)
      this.names.set(from, this.pair(quantizer, this.actual(from)));
    for (const node of nodes) this.node(node, scope);
    this.quantize(output, this.actual(output));
  }

  private node(node: IrNode, scope: string): void {
    const { checkpoint } = this.scopes.get(scope) as ScopeForward;
    const inputs = node.inputs.map((input) => {
      const tensor = checkpoint.parameters.get(input) ?? this.network.graph.initializers.get(input);
      return tensor === undefined || input === '' ? this.actual(input) : this.b.constant(tensor);
    });
    const { op, domain, attributes } = nodeForOpset(node, this.form.opset);
    const made = this.b.emitAll(op, inputs, attributes, { outputs: node.outputs.length, domain });
    node.outputs.forEach((name, index) => this.names.set(name, made[index] as string));
  }

  quantize(value: string, carried: string): void {
    const quantizer = this.placement.activations.get(value);
    if (quantizer === undefined) {
      if (carried !== value) this.names.set(value, carried);
      return;
    }
    this.scales.push({
      tensor: value,
      kind: 'activation',
      scope: quantizer.scope,
      dtype: integerType(quantizer.format),
      scale: [activationScale(quantizer, this.scopes)],
    });
    this.names.set(value, this.pair(quantizer, carried));
  }

  private pair(quantizer: ActivationQuantizer, carried: string): string {
    const scaleValue = activationScale(quantizer, this.scopes);
    const dtype = integerType(quantizer.format);
    const scale = this.b.scalar(scaleValue);
    // 4-bit activations travel in 8-bit tensors, clipped beforehand to the ends of their grid (which changes no step):
    // onnxruntime up to 1.30 reuses the half-sized buffer of a uint4 tensor for a uint8 one of the same shape and writes
    // beyond its end (microsoft/onnxruntime#32611). 4-bit weights are constants, whose buffers are not reused.
    const narrow = quantizer.format.bits < 8;
    const clipped = narrow ? this.clip(carried, quantizer.format, scaleValue) : carried;
    const zero = this.b.constant(zeroPoint(narrow ? integerType({ ...quantizer.format, bits: 8 }) : dtype));
    return this.b.emit('DequantizeLinear', [this.b.emit('QuantizeLinear', [clipped, scale, zero]), scale, zero]);
  }

  private clip(value: string, format: Format, scale: number): string {
    const { qmin, qmax } = limits(format);
    return this.b.emit('Clip', [value, this.b.scalar(qmin * scale), this.b.scalar(qmax * scale)]);
  }

  private vector(values: Float32Array): string {
    return this.b.constant({ dtype: 'float32', shape: [values.length], data: values }, 'scale');
  }
}

function zeroPoint(dtype: IrDType): IrTensor {
  const data =
    dtype === 'int16'
      ? new Int16Array(1)
      : dtype === 'uint16'
        ? new Uint16Array(1)
        : dtype === 'uint8' || dtype === 'uint4'
          ? new Uint8Array(1)
          : new Int8Array(1);
  return { dtype, shape: [], data };
}
