// The one reference forward: the network as plain inference, every scope in its own state, weights as initializers, meant
// to run unoptimised with a fixed batch and fixed threads. `validate`, the proofs, merge and export all compare with it.
// FLOAT is the float model itself (batch norm unfolded); VALIDATION is the deployed form; CALIBRATION is FLOAT with the
// values to observe as extra outputs.
import { GraphBuilder } from '../onnx/builder.ts';
import type { GraphIr, IrNode, ValueInfo } from '../onnx/ir.ts';
import { deployLayer } from '../quantize/deploy.ts';
import type { DeployedLayer } from '../quantize/deploy.ts';
import { LoadError } from '../quantize/checkpoint.ts';
import type { ScopeCheckpoint } from '../quantize/checkpoint.ts';
import { placeQuantizers } from '../quantize/placement.ts';
import type { ActivationQuantizer, Placement } from '../quantize/placement.ts';
import { limits } from '../quantize/scheme.ts';
import type { Profile } from '../quantize/scheme.ts';
import { emitSteps } from '../quantize/steps.ts';
import { emitLinear } from './emit-layer.ts';
import { ancestorsOf, BACKBONE, boundaryOf } from './network.ts';
import type { LayerUnit, Network, Unit } from './network.ts';
import { linearNodes, nodesOf } from './units.ts';

export const TRAINING_OPSET = 18;

export interface ScopeForward {
  readonly state: 'FLOAT' | 'VALIDATION';
  readonly checkpoint: ScopeCheckpoint;
}

export interface ReferenceRequest {
  /** Scopes to run: the backbone, necks, heads. Boundary tensors of scopes that they stand on and that are left out are inputs. */
  readonly scopes: ReadonlyMap<string, ScopeForward>;
  /** Values to return, under their names in the float graph, after their quantiser where they have one. */
  readonly outputs: readonly string[];
  readonly batch: number;
  /** Shapes of boundary tensors [C, H, W], needed when their scope is left out. */
  readonly boundaryShapes?: ReadonlyMap<string, readonly number[]>;
  readonly only?: OnlyQuantisers;
}

/** For sensitivity analysis: of these scopes only these quantisers (a weight's, a value's, by name) are on; biases stay float. */
export interface OnlyQuantisers {
  readonly scopes: ReadonlySet<string>;
  readonly quantisers: ReadonlySet<string>;
}

/** Quantisers of the scopes that run in VALIDATION. */
export function placementFor(network: Network, scopes: ReadonlyMap<string, ScopeForward>): Placement {
  const profiles = new Map<string, Profile>();
  for (const [scope, { state, checkpoint }] of scopes) {
    if (state !== 'VALIDATION') continue;
    if (checkpoint.quant === undefined)
      throw new LoadError(
        `scope "${scope}" is to run quantised, but its checkpoint (state ${checkpoint.state}) holds no scales: calibrate it first`,
      );
    profiles.set(scope, checkpoint.quant.profile);
  }
  return placeQuantizers(network, profiles);
}

/**
 * Inputs: the image [N, C, H, W], or the boundary tensors. Outputs: `out.<value>` for every asked value, dequantised float.
 * @throws LoadError when a scope is to run quantised and holds no scales.
 */
export function buildReference(network: Network, request: ReferenceRequest): GraphIr {
  const placement = placementFor(network, request.scopes);
  const emitter = new ReferenceEmitter(network, request.scopes, placement, request.only);
  const inputs: ValueInfo[] = [];
  if (request.scopes.has(BACKBONE)) {
    inputs.push({ name: network.input.name, dtype: 'float32', shape: [request.batch, ...network.input.shape] });
    emitter.quantizeInput();
  }
  for (const value of feedsOf(network, new Set(request.scopes.keys()))) {
    const shape = request.boundaryShapes?.get(value) ?? [];
    inputs.push({ name: value, dtype: 'float32', shape: [request.batch, ...shape] });
  }
  for (const unit of network.units) emitter.emit(unit);
  const outputs = request.outputs.map((value): ValueInfo => {
    const name = `out.${value}`;
    emitter.b.emit('Identity', [emitter.actual(value)], {}, { outputs: [name] });
    return { name, dtype: 'float32' };
  });
  return emitter.b.finish({ name: 'reference', opset: TRAINING_OPSET, inputs, outputs });
}

/** Boundary tensors that a graph of only these scopes is fed: those of scopes that they stand on and that are not among them. */
export function feedsOf(network: Network, scopes: ReadonlySet<string>): readonly string[] {
  const below = new Set([...scopes].flatMap((scope) => ancestorsOf(network.scopes, scope)));
  return [...below].filter((scope) => !scopes.has(scope)).flatMap((scope) => boundaryOf(network.scopes, scope));
}

class ReferenceEmitter {
  readonly b = new GraphBuilder('r');
  /** Float-graph value → the value that carries it here (after its quantiser). */
  private readonly names = new Map<string, string>();
  private readonly network: Network;
  private readonly scopes: ReadonlyMap<string, ScopeForward>;
  private readonly placement: Placement;
  private readonly only: OnlyQuantisers | undefined;

  constructor(
    network: Network,
    scopes: ReadonlyMap<string, ScopeForward>,
    placement: Placement,
    only: OnlyQuantisers | undefined,
  ) {
    this.network = network;
    this.scopes = scopes;
    this.placement = placement;
    this.only = only;
  }

  actual(value: string): string {
    return this.names.get(value) ?? value;
  }

  quantizeInput(): void {
    this.quantize(this.network.input.name, this.network.input.name);
  }

  emit(unit: Unit): void {
    const forward = this.scopes.get(unit.scope);
    if (forward === undefined) return;
    if (unit.kind === 'plain' || forward.state === 'FLOAT') {
      this.copy(nodesOf(unit), forward);
      this.quantize(unit.output, this.actual(unit.output));
      return;
    }
    if (this.isOff(unit.scope, unit.quantiser)) this.copy(linearNodes(unit), forward);
    else this.deployed(unit, forward);
    this.quantize(unit.linear, this.actual(unit.linear));
    if (unit.activation === undefined) return;
    this.copy(unit.activation.nodes, forward);
    this.quantize(unit.output, this.actual(unit.output));
  }

  private copy(nodes: readonly IrNode[], forward: ScopeForward): void {
    for (const node of nodes) {
      const inputs = node.inputs.map((input) => this.operand(input, forward));
      const made = this.b.emitAll(node.op, inputs, node.attributes, {
        outputs: node.outputs.length,
        domain: node.domain,
      });
      node.outputs.forEach((output, index) => this.names.set(output, made[index] as string));
    }
  }

  private operand(input: string, forward: ScopeForward): string {
    const tensor = forward.checkpoint.parameters.get(input) ?? this.network.graph.initializers.get(input);
    return tensor === undefined || input === '' ? this.actual(input) : this.b.constant(tensor, 'w');
  }

  private deployed(unit: LayerUnit, forward: ScopeForward): void {
    const { checkpoint } = forward;
    const layer =
      this.only?.scopes.has(unit.scope) !== true
        ? deployedLayerOf(this.placement, unit, checkpoint, this.scopes).layer
        : this.weightsOnly(unit, checkpoint);
    const value = emitLinear(this.b, unit, {
      input: this.actual(unit.input),
      weight: this.b.constant({ dtype: 'float32', shape: layer.weightShape, data: layer.weights }, 'w'),
      bias: this.b.constant({ dtype: 'float32', shape: [layer.bias.length], data: layer.bias }, 'b'),
    });
    this.names.set(unit.linear, value);
  }

  /** Alone on its grid, its input float: there is no accumulator grid for the bias, which stays float. */
  private weightsOnly(unit: LayerUnit, checkpoint: ScopeCheckpoint): DeployedLayer {
    const format = this.placement.weights.get(unit.quantiser)?.format;
    const scales = checkpoint.quant?.weights.get(unit.quantiser);
    if (format === undefined || scales === undefined)
      throw new LoadError(`scope "${unit.scope}" has no scales for weight "${unit.quantiser}"`);
    return deployLayer(unit, checkpoint.parameters, scales, format, undefined);
  }

  private isOff(scope: string, quantiser: string): boolean {
    return this.only?.scopes.has(scope) === true && !this.only.quantisers.has(quantiser);
  }

  private quantize(value: string, carried: string): void {
    const quantizer = this.placement.activations.get(value);
    if (quantizer === undefined || this.isOff(quantizer.scope, value)) {
      if (carried !== value) this.names.set(value, carried);
      return;
    }
    const scale = this.b.scalar(activationScale(quantizer, this.scopes));
    const { qmin, qmax } = limits(quantizer.format);
    const rounded = emitSteps(this.b, carried, scale, quantizer.format.rounding);
    const clipped = this.b.emit('Clip', [rounded, this.b.scalar(qmin), this.b.scalar(qmax)]);
    this.names.set(value, this.b.emit('Mul', [clipped, scale]));
  }
}

/** @throws LoadError when the scope's checkpoint lacks the quantiser. */
export function activationScale(quantizer: ActivationQuantizer, scopes: ReadonlyMap<string, ScopeForward>): number {
  const range = scopes.get(quantizer.scope)?.checkpoint.quant?.activations.get(quantizer.range);
  if (range === undefined)
    throw new LoadError(`scope "${quantizer.scope}" has no scale for activation "${quantizer.range}"`);
  return range.scale;
}

/** @throws LoadError when a scale is missing, or the input lies on no grid and the bias needs one. */
export function deployedLayerOf(
  placement: Placement,
  unit: LayerUnit,
  checkpoint: ScopeCheckpoint,
  scopes: ReadonlyMap<string, ScopeForward>,
) {
  const quantizer = placement.weights.get(unit.quantiser);
  const scales = checkpoint.quant?.weights.get(unit.quantiser);
  if (quantizer === undefined || scales === undefined)
    throw new LoadError(`scope "${unit.scope}" has no scales for weight "${unit.quantiser}"`);
  const floatBias = placement.tableOf(unit.scope).bias === 'float';
  const source = floatBias ? undefined : placement.sourceOf(unit.input);
  if (source === undefined && !floatBias) {
    throw new LoadError(
      `the input "${unit.input}" of layer "${unit.weight}" is not quantised: the backbone must run in VALIDATION before a quantised head`,
    );
  }
  const inputScale = source === undefined ? undefined : activationScale(source, scopes);
  return { layer: deployLayer(unit, checkpoint.parameters, scales, quantizer.format, inputScale), quantizer };
}
