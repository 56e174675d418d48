// The training forward of some scopes of a network as un-lowered nodes: trained scopes read their parameters from the flat
// vector, frozen ones from initializers. Per scope one of
//   FLOAT, trained    Conv, BatchNormTrain (or evaluation form), Relu
//   FLOAT, frozen     Conv, BatchNormalization, Relu with constants
//   QAT, trained      fake-quantised weights and activations; batch norm
//                     'frozen': folded with its saved statistics, in the graph;
//                     'folded': folded before training: weight and β are all that is left of the layer;
//                     'kept':   weights quantised as they are, then batch norm on the batch's statistics;
//                     'train':  reverse-folded: weights quantised with the running factor, the factor divided out again,
//                               then batch norm on the batch's statistics (Krishnamoorthi 2018, as torch.ao).
import type { GraphBuilder } from '../onnx/builder.ts';
import { float, floatOf, int } from '../onnx/ir.ts';
import type { IrNode } from '../onnx/ir.ts';
import { HEADGATE_DOMAIN } from '../autodiff/rule.ts';
import type { Placement } from '../quantize/placement.ts';
import { EPSILON, limits, steps } from '../quantize/scheme.ts';
import type { Format } from '../quantize/scheme.ts';
import type { LayerUnit, Network, PlainUnit, Unit } from '../network/network.ts';
import type { Parameters } from '../network/fold.ts';
import { activationScaleSlot, weightScaleSlot } from './scale-slots.ts';

/** How a scope takes part in a training. */
export interface TrainState {
  readonly state: 'FLOAT' | 'QAT';
  readonly trained: boolean;
  /**
   * 'train' and 'kept': the batch's own statistics, running ones follow; 'frozen': the saved ones, unchanged; 'folded': none.
   * γ and β are trained in all but 'folded', where β alone is left.
   */
  readonly batchNorm: 'train' | 'kept' | 'frozen' | 'folded';
}

export interface ForwardParts {
  readonly network: Network;
  readonly scopes: ReadonlyMap<string, TrainState>;
  readonly placement: Placement;
  /** Constants of frozen scopes. */
  readonly constants: Parameters;
  /** Parameters of trained scopes → value in the graph. */
  readonly trained: ReadonlyMap<string, string>;
  /** Running statistics (mean and variance of trained batch norms) → value in the graph. */
  readonly statistics: ReadonlyMap<string, string>;
  /** A scalar of the graph: 1 from when on batch norms use their running statistics; without it never. */
  readonly batchNormFrozen?: string;
  /** PyTorch's mask, or one step further on both sides. */
  readonly straightThrough?: 'masked' | 'inclusive';
  /** The scale of the quantiser that follows `value`, as a value of the graph; `carried` is what it quantises. */
  scaleFor(emitter: ForwardEmitter, value: string, carried: string): string;
}

/** What a batch norm in training form saw of its batch. */
export interface BatchStatistics {
  readonly norm: IrNode;
  /** [C] */
  readonly mean: string;
  /** [C], biased. */
  readonly variance: string;
  /** [N, C, H, W]: its N·H·W makes the variance unbiased. */
  readonly observedValue: string;
}

interface NodeOptions {
  readonly outputs?: number;
  readonly domain?: string;
}

/** Call `emitInput` (where the backbone is trained here), then `emitUnit` for every unit in execution order. */
export class ForwardEmitter {
  /** Un-lowered nodes; constants go to `b`. */
  readonly nodes: IrNode[] = [];
  readonly batchStatistics: BatchStatistics[] = [];
  /** Frozen parameter → the initializer that holds it. */
  readonly frozenInitializers = new Map<string, string>();
  readonly b: GraphBuilder;
  private readonly parts: ForwardParts;
  private readonly names = new Map<string, string>();
  private counter = 0;

  constructor(b: GraphBuilder, parts: ForwardParts) {
    this.b = b;
    this.parts = parts;
  }

  /** The value that carries `value` of the float graph here, after its quantiser where it has one. */
  actual(value: string): string {
    return this.names.get(value) ?? value;
  }

  /** Adds a node without lowering it and returns its first output. */
  emit(
    op: string,
    inputs: readonly string[],
    attributes: IrNode['attributes'] = {},
    options: NodeOptions = {},
  ): string {
    return this.emitAll(op, inputs, attributes, options)[0] as string;
  }

  emitAll(
    op: string,
    inputs: readonly string[],
    attributes: IrNode['attributes'] = {},
    { outputs = 1, domain = '' }: NodeOptions = {},
  ): readonly string[] {
    const name = `f${this.counter++}_${op}`;
    const made = Array.from({ length: outputs }, (_, index) => (outputs > 1 ? `${name}_${index}` : name));
    this.nodes.push({ op, domain, name, inputs, outputs: made, attributes });
    return made;
  }

  emitInput(): void {
    this.quantize(this.parts.network.input.name, this.parts.network.input.name);
  }

  emitUnit(unit: Unit): void {
    const scope = this.parts.scopes.get(unit.scope);
    if (scope === undefined) return;
    if (unit.kind === 'plain') this.plain(unit);
    else if (scope.state === 'FLOAT') this.floatLayer(unit, scope);
    else this.qatLayer(unit, scope);
  }

  private plain(unit: PlainUnit): void {
    for (const node of unit.nodes) {
      const inputs = node.inputs.map((input) => {
        const tensor = this.parts.network.graph.initializers.get(input);
        return tensor === undefined || input === '' ? this.actual(input) : this.b.constant(tensor);
      });
      this.names.set(node.outputs[0] as string, this.emit(node.op, inputs, node.attributes));
    }
    this.quantize(unit.output, this.actual(unit.output));
  }

  private floatLayer(unit: LayerUnit, scope: TrainState): void {
    const operands = [
      this.actual(unit.input),
      this.parameter(unit.weight),
      ...(unit.bias === undefined ? [] : [this.parameter(unit.bias)]),
    ];
    let value = this.emit('Conv', operands, unit.conv.attributes);
    if (unit.norm !== undefined) value = this.batchNorm(unit.norm, value, movesStatistics(scope));
    this.finish(unit, value);
  }

  private batchNorm(norm: IrNode, value: string, train: boolean): string {
    const [, gamma, beta, mean, variance] = norm.inputs as [string, string, string, string, string];
    const epsilon = { epsilon: float(floatOf(norm, 'epsilon', 1e-5)) };
    if (!train) {
      const inputs = [
        value,
        this.parameter(gamma),
        this.parameter(beta),
        this.parameter(mean),
        this.parameter(variance),
      ];
      return this.emit('BatchNormalization', inputs, epsilon);
    }
    const operands = [value, this.parameter(gamma), this.parameter(beta)];
    const frozen = this.parts.batchNormFrozen;
    const outputs =
      frozen === undefined
        ? this.emitAll('BatchNormTrain', operands, epsilon, { outputs: 3, domain: HEADGATE_DOMAIN })
        : this.emitAll(
            'BatchNormSwitch',
            [...operands, this.parameter(mean), this.parameter(variance), frozen],
            epsilon,
            { outputs: 5, domain: HEADGATE_DOMAIN },
          );
    const [normalised, batchMean, batchVariance] = outputs as [string, string, string];
    this.batchStatistics.push({ norm, mean: batchMean, variance: batchVariance, observedValue: value });
    return normalised;
  }

  private qatLayer(unit: LayerUnit, scope: TrainState): void {
    const format = this.parts.placement.weights.get(unit.weight)?.format;
    if (format === undefined) throw new Error(`no quantiser for weight "${unit.weight}"`);
    const channels = this.parts.network.graph.initializers.get(unit.weight)?.shape[0] as number;
    const weight = this.parameter(unit.weight);
    const moves = unit.norm !== undefined && movesStatistics(scope);
    const whole = unit.norm === undefined || scope.batchNorm === 'folded' || (moves && scope.batchNorm === 'kept');
    const factor = whole || unit.norm === undefined ? undefined : this.foldFactor(unit.norm);
    const scaled = factor === undefined ? weight : this.emit('Mul', [weight, this.column(factor, [channels, 1, 1, 1])]);
    const quantised = this.quantisedWeight(unit.weight, scaled, channels, format);
    let value = this.emit('Conv', [this.actual(unit.input), quantised], unit.conv.attributes);
    const bias = unit.bias === undefined ? undefined : this.parameter(unit.bias);
    if (unit.norm !== undefined && moves) {
      if (factor !== undefined) value = this.emit('Div', [value, this.column(factor, [channels, 1, 1])]);
      if (bias !== undefined) value = this.emit('Add', [value, this.column(bias, [channels, 1, 1])]);
      value = this.batchNorm(unit.norm, value, true);
    } else {
      const folded =
        unit.norm === undefined
          ? bias
          : factor === undefined
            ? this.parameter(unit.norm.inputs[2] as string)
            : this.foldedBias(unit.norm, factor, bias);
      if (folded !== undefined) value = this.emit('Add', [value, this.column(folded, [channels, 1, 1])]);
    }
    this.finish(unit, value);
  }

  /** γ/√(running variance + ε), [C]. */
  private foldFactor(norm: IrNode): string {
    const [, gamma, , , variance] = norm.inputs as [string, string, string, string, string];
    const padded = this.emit('Add', [this.parameter(variance), this.b.scalar(floatOf(norm, 'epsilon', 1e-5))]);
    return this.emit('Div', [this.parameter(gamma), this.emit('Sqrt', [padded])]);
  }

  private foldedBias(norm: IrNode, factor: string, bias: string | undefined): string {
    const [, , beta, mean] = norm.inputs as [string, string, string, string];
    const negated = this.emit('Neg', [this.parameter(mean)]);
    const shift = bias === undefined ? negated : this.emit('Add', [bias, negated]);
    return this.emit('Add', [this.parameter(beta), this.emit('Mul', [shift, factor])]);
  }

  /** Per channel, from the weights of this very step. */
  private weightScale(weight: string, channels: number, format: Format): string {
    const largest = this.emit('ReduceMax', [this.emit('Abs', [weight]), this.b.int64([1, 2, 3])], { keepdims: int(1) });
    const scale = this.emit('Div', [largest, this.b.scalar(steps(format))]);
    const floor = Array.from({ length: channels }, () => EPSILON);
    return this.emit('Max', [scale, this.b.floats(floor, [channels, 1, 1, 1])]);
  }

  private quantisedWeight(name: string, weight: string, channels: number, format: Format): string {
    const learned = this.parts.trained.get(weightScaleSlot(name));
    return learned === undefined
      ? this.fakeQuant(weight, this.weightScale(weight, channels, format), format)
      : this.learnedFakeQuant(weight, learned, format, false);
  }

  private fakeQuant(value: string, scale: string, format: Format): string {
    const { qmin, qmax } = limits(format);
    const inclusive = this.parts.straightThrough === 'inclusive' ? { inclusive: int(1) } : {};
    const options = { outputs: 2, domain: HEADGATE_DOMAIN };
    return this.emit('FakeQuant', [value, scale], { qmin: int(qmin), qmax: int(qmax), ...inclusive }, options);
  }

  private learnedFakeQuant(value: string, scale: string, format: Format, perSample: boolean): string {
    const { qmin, qmax } = limits(format);
    const attributes = { qmin: int(qmin), qmax: int(qmax), per_sample: int(perSample ? 1 : 0) };
    return this.emit('LearnedFakeQuant', [value, scale], attributes, { outputs: 2, domain: HEADGATE_DOMAIN });
  }

  private finish(unit: LayerUnit, value: string): void {
    const done =
      unit.activation === undefined ? value : this.emit(unit.activation.op, [value], unit.activation.attributes);
    this.names.set(unit.output, done);
    this.quantize(unit.output, done);
  }

  private quantize(value: string, carried: string): void {
    const quantizer = this.parts.placement.activations.get(value);
    if (quantizer === undefined || this.parts.scopes.get(quantizer.scope)?.state !== 'QAT') return;
    const { format } = quantizer;
    const learned = this.parts.trained.get(activationScaleSlot(value));
    this.names.set(
      value,
      learned === undefined
        ? this.fakeQuant(carried, this.parts.scaleFor(this, value, carried), format)
        : this.learnedFakeQuant(carried, learned, format, true),
    );
  }

  private column(value: string, shape: readonly number[]): string {
    return this.emit('Reshape', [value, this.b.int64(shape)]);
  }

  private parameter(name: string): string {
    const graphValue = this.parts.trained.get(name) ?? this.parts.statistics.get(name);
    if (graphValue !== undefined) return graphValue;
    const tensor = this.parts.constants.get(name);
    if (tensor === undefined) throw new Error(`parameter "${name}" is neither trained nor loaded`);
    const initializer = this.b.constant(tensor, 'w');
    this.frozenInitializers.set(name, initializer);
    return initializer;
  }
}

function movesStatistics({ trained, batchNorm }: TrainState): boolean {
  return trained && (batchNorm === 'train' || batchNorm === 'kept');
}
