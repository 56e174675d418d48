// The deployed model as QDQ ONNX, opset 21: weights as integers with per-channel DequantizeLinear, int32 biases, a
// QuantizeLinear/DequantizeLinear pair at every quantiser. Run unoptimised it computes exactly the VALIDATION forward.
import { GraphBuilder } from '../onnx/builder.ts';
import { int } from '../onnx/ir.ts';
import type { GraphIr, IrDType, IrTensor, ValueInfo } from '../onnx/ir.ts';
import { activationScale, deployedLayerOf, placementFor } from '../network/reference.ts';
import type { ScopeForward } from '../network/reference.ts';
import { scopeMetadata } from '../network/network.ts';
import type { LayerUnit, Network, PlainUnit } from '../network/network.ts';
import type { ActivationQuantizer, Placement } from '../quantize/placement.ts';
import { limits } from '../quantize/scheme.ts';
import type { Format } from '../quantize/scheme.ts';

export const EXPORT_OPSET = 21;

/** A format that ONNX has no integer type for: a user's problem. */
export class ExportError extends Error {
  override readonly name = 'ExportError';
}

export interface ScaleRow {
  readonly tensor: string;
  readonly kind: 'activation' | 'weight';
  readonly scope: string;
  readonly dtype: IrDType;
  /** One, or one per output channel. */
  readonly scale: readonly number[];
}

export interface QdqModel {
  readonly graph: GraphIr;
  readonly scales: readonly ScaleRow[];
}

/**
 * @param scopes every scope of the network, in VALIDATION.
 * @param outputShapes [C, H, W] of every head output; ONNX's checker asks for them.
 */
export function exportQdq(
  network: Network,
  scopes: ReadonlyMap<string, ScopeForward>,
  outputShapes: ReadonlyMap<string, readonly number[]>,
): QdqModel {
  refuseOtherRounding(scopes);
  const writer = new QdqWriter(network, scopes, placementFor(network, scopes));
  writer.quantize(network.input.name, network.input.name);
  for (const unit of network.units) {
    if (unit.kind === 'layer') writer.layer(unit);
    else writer.plain(unit);
  }
  const outputs = Object.values(network.scopes.heads).flatMap((head) => head.outputs);
  for (const value of outputs) writer.b.emit('Identity', [writer.actual(value)], {}, { outputs: [value] });
  const graph = writer.b.finish({
    name: network.graph.name,
    opset: EXPORT_OPSET,
    inputs: [{ name: network.input.name, dtype: 'float32', shape: ['N', ...network.input.shape] }],
    outputs: outputs.map((name): ValueInfo => ({
      name,
      dtype: 'float32',
      shape: ['N', ...(outputShapes.get(name) ?? [])],
    })),
    metadata: scopeMetadata(network.scopes),
  });
  return { graph, scales: writer.scales };
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

class QdqWriter {
  readonly b = new GraphBuilder('q');
  readonly scales: ScaleRow[] = [];
  private readonly names = new Map<string, string>();
  private readonly network: Network;
  private readonly scopes: ReadonlyMap<string, ScopeForward>;
  private readonly placement: Placement;

  constructor(network: Network, scopes: ReadonlyMap<string, ScopeForward>, placement: Placement) {
    this.network = network;
    this.scopes = scopes;
    this.placement = placement;
  }

  actual(value: string): string {
    return this.names.get(value) ?? value;
  }

  plain(unit: PlainUnit): void {
    let last = unit.output;
    for (const node of unit.nodes) {
      const inputs = node.inputs.map((input) => {
        const tensor = this.network.graph.initializers.get(input);
        return tensor === undefined || input === '' ? this.actual(input) : this.b.constant(tensor);
      });
      last = this.b.emit(node.op, inputs, node.attributes);
      this.names.set(node.outputs[0] as string, last);
    }
    this.quantize(unit.output, last);
  }

  layer(unit: LayerUnit): void {
    const checkpoint = (this.scopes.get(unit.scope) as ScopeForward).checkpoint;
    const { layer, quantizer } = deployedLayerOf(this.placement, unit, checkpoint, this.scopes);
    const dtype = integerType(quantizer.format);
    const channels = layer.weightScales.length;
    const steps = this.b.constant({ dtype, shape: layer.weightShape, data: layer.weightSteps }, 'weight');
    const weight = this.b.emit('DequantizeLinear', [steps, this.vector(layer.weightScales)], { axis: int(0) });
    const biasSteps = this.b.constant({ dtype: 'int32', shape: [channels], data: layer.biasSteps }, 'bias');
    const bias = this.b.emit('DequantizeLinear', [biasSteps, this.vector(layer.biasScales)], { axis: int(0) });
    this.scales.push({ tensor: unit.weight, kind: 'weight', scope: unit.scope, dtype, scale: [...layer.weightScales] });
    let value = this.b.emit('Conv', [this.actual(unit.input), weight, bias], unit.conv.attributes);
    if (unit.activation !== undefined) value = this.b.emit(unit.activation.op, [value], unit.activation.attributes);
    this.names.set(unit.output, value);
    this.quantize(unit.output, value);
  }

  quantize(value: string, carried: string): void {
    const quantizer = this.placement.activations.get(value);
    if (quantizer === undefined) {
      if (carried !== value) this.names.set(value, carried);
      return;
    }
    this.names.set(value, this.pair(quantizer, carried));
  }

  private pair(quantizer: ActivationQuantizer, carried: string): string {
    const scaleValue = activationScale(quantizer, this.scopes);
    const dtype = integerType(quantizer.format);
    const scale = this.b.scalar(scaleValue);
    this.scales.push({
      tensor: quantizer.value,
      kind: 'activation',
      scope: quantizer.scope,
      dtype,
      scale: [scaleValue],
    });
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
