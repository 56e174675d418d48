// The training forward of some scopes of a network as un-lowered nodes: trained scopes read their parameters from the flat
// vector, frozen ones from initializers. Per scope one of
//   FLOAT, trained    Conv, BatchNormTrain (or evaluation form), Relu
//   FLOAT, frozen     Conv, BatchNormalization, Relu with constants
//   QAT, trained      fake-quantised weights and activations; batch norm
//                     'frozen': folded with its saved statistics, in the graph;
//                     'folded': folded before training: weight and β are all that is left of the layer; a layer that shares a
//                               parameter with another is left as with 'frozen';
//                     'kept':   weights quantised as they are, then batch norm on the batch's statistics;
//                     'train':  reverse-folded: weights quantised with the running factor, the factor divided out again,
//                               then batch norm on the batch's statistics (Krishnamoorthi 2018, as torch.ao).
import type { GraphBuilder } from '../onnx/builder.ts';
import { float, floatOf, int } from '../onnx/ir.ts';
import type { IrNode } from '../onnx/ir.ts';
import { HEADGATE_DOMAIN } from '../autodiff/rule.ts';
import type { Placement } from '../quantize/placement.ts';
import type { LayerUnit, Network, Unit } from '../network/network.ts';
import type { Parameters } from '../network/fold.ts';
import { foldableLayers } from '../network/shared-weights.ts';
import { linearNodes } from '../network/units.ts';
import { channelColumn, weightLayout } from '../network/weight-layout.ts';
import { fakeQuant, learnedFakeQuant, scaleWeight, weightScale } from './quantiser-nodes.ts';
import type { StraightThrough } from './quantiser-nodes.ts';
import { activationScaleSlot, weightScaleSlot } from './scale-slots.ts';
import { movesStatistics } from './train-state.ts';
import type { TrainState } from './train-state.ts';

export type { TrainState } from './train-state.ts';

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
  readonly straightThrough?: StraightThrough;
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
  /** Whether the node is written in a model or a loss graph, and not headgate's own. */
  readonly fromModel?: boolean;
  /** Its name there, for who is told of it. */
  readonly modelName?: string | undefined;
}

/** Call `emitInput` (where the backbone is trained here), then `emitUnit` for every unit in execution order. */
export class ForwardEmitter {
  /** Un-lowered nodes; constants go to `b`. */
  readonly nodes: IrNode[] = [];
  /** Those of `nodes` that no model holds. */
  readonly own = new Set<IrNode>();
  readonly batchStatistics: BatchStatistics[] = [];
  /** Frozen parameter → the initializer that holds it. */
  readonly frozenInitializers = new Map<string, string>();
  readonly b: GraphBuilder;
  private readonly parts: ForwardParts;
  private readonly names = new Map<string, string>();
  private readonly foldable: ReadonlySet<Unit>;
  private counter = 0;

  constructor(b: GraphBuilder, parts: ForwardParts) {
    this.b = b;
    this.parts = parts;
    this.foldable = foldableLayers(parts.network.graph, parts.network.units);
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
    { outputs = 1, domain = '', fromModel = false, modelName }: NodeOptions = {},
  ): readonly string[] {
    const value = `f${this.counter++}_${op}`;
    const made = Array.from({ length: outputs }, (_, index) => (outputs > 1 ? `${value}_${index}` : value));
    const node = { op, domain, name: value, modelName, inputs, outputs: made, attributes };
    this.nodes.push(node);
    if (!fromModel) this.own.add(node);
    return made;
  }

  emitInput(): void {
    this.quantize(this.parts.network.input.name, this.parts.network.input.name);
  }

  emitUnit(unit: Unit): void {
    const scope = this.parts.scopes.get(unit.scope);
    if (scope === undefined) return;
    if (unit.kind === 'plain') {
      this.copy(unit.nodes, scope);
      this.quantize(unit.output, this.actual(unit.output));
      return;
    }
    if (scope.state === 'FLOAT') this.copy(linearNodes(unit), scope);
    else this.names.set(unit.linear, this.qatLayer(unit, scope));
    this.quantize(unit.linear, this.actual(unit.linear));
    if (unit.activation === undefined) return;
    this.copy(unit.activation.nodes, scope);
    this.quantize(unit.output, this.actual(unit.output));
  }

  /** Nodes as they are, on what carries their inputs here; batch norms in the form that the scope's state asks for. */
  private copy(nodes: readonly IrNode[], scope: TrainState): void {
    for (const node of nodes) {
      if (node.op === 'BatchNormalization' && node.domain === '') {
        const train = movesStatistics(scope);
        const value = this.batchNorm(node, this.actual(node.inputs[0] as string), train);
        this.names.set(node.outputs[0] as string, value);
        continue;
      }
      const inputs = node.inputs.map((input) => this.operand(input));
      const { domain, name: modelName } = node;
      const options = { outputs: node.outputs.length, domain, modelName, fromModel: true };
      const made = this.emitAll(node.op, inputs, node.attributes, options);
      node.outputs.forEach((output, index) => this.names.set(output, made[index] as string));
    }
  }

  private operand(input: string): string {
    if (input === '' || this.names.has(input)) return this.actual(input);
    if (this.isParameter(input)) return this.parameter(input);
    const tensor = this.parts.network.graph.initializers.get(input);
    return tensor === undefined ? this.actual(input) : this.b.constant(tensor);
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

  /** Batch norm in training form of `value` over a factor per channel, in one node: its gradient takes two passes less. */
  private dividedBatchNorm(norm: IrNode, value: string, factor: string, spatialAxes: number): string {
    const [, gamma, beta] = norm.inputs as [string, string, string];
    const operands = [value, this.parameter(gamma), this.parameter(beta), factor];
    const epsilon = { epsilon: float(floatOf(norm, 'epsilon', 1e-5)), spatial_axes: int(spatialAxes) };
    const options = { outputs: 4, domain: HEADGATE_DOMAIN };
    const [y, mean, variance, divided] = this.emitAll('BatchNormTrainDivided', operands, epsilon, options) as [
      string,
      string,
      string,
      string,
    ];
    this.batchStatistics.push({ norm, mean, variance, observedValue: divided });
    return y;
  }

  /** @returns the value of the layer's linear part. */
  private qatLayer(unit: LayerUnit, scope: TrainState): string {
    const format = this.parts.placement.weights.get(unit.quantiser)?.format;
    if (format === undefined) throw new Error(`no quantiser for weight "${unit.quantiser}"`);
    const shape = this.parts.network.graph.initializers.get(unit.weight)?.shape as readonly number[];
    const layout = weightLayout(unit.node, shape);
    const column = (value: string, channels = layout.outputs): string =>
      this.reshape(value, channelColumn(unit.node, shape.length, channels));
    const biasSize = this.parts.network.graph.initializers.get(unit.bias ?? '')?.data.length;
    const weight = this.parameter(unit.weight);
    const bias = unit.bias === undefined ? undefined : this.parameter(unit.bias);
    const { norm } = unit;
    const moves = norm !== undefined && movesStatistics(scope);
    const away = scope.batchNorm === 'folded' && this.foldable.has(unit);
    const whole = norm === undefined || away || (moves && scope.batchNorm === 'kept');
    const factor = whole ? undefined : this.foldFactor(norm, moves);
    const scaled = factor === undefined ? weight : scaleWeight(this, weight, factor, shape, layout);
    const learned = this.parts.trained.get(weightScaleSlot(unit.quantiser));
    const quantised =
      learned === undefined
        ? fakeQuant(this, scaled, weightScale(this, scaled, shape, layout, format), format, this.parts.straightThrough)
        : learnedFakeQuant(this, scaled, learned, format, false);
    const value = this.emit(unit.node.op, [this.actual(unit.input), quantised], unit.node.attributes);
    if (moves) {
      if (factor !== undefined && bias === undefined && this.parts.batchNormFrozen === undefined)
        return this.dividedBatchNorm(norm, value, factor, shape.length - 2);
      const unscaled = factor === undefined ? value : this.emit('Div', [value, column(factor)]);
      const shifted = bias === undefined ? unscaled : this.emit('Add', [unscaled, column(bias, biasSize)]);
      return this.batchNorm(norm, shifted, true);
    }
    const folded = norm === undefined ? bias : this.foldedBias(norm, factor, bias);
    const foldedSize = norm === undefined ? biasSize : layout.outputs;
    return folded === undefined ? value : this.emit('Add', [value, column(folded, foldedSize)]);
  }

  /**
   * γ/√(running variance + ε), [C].
   * @param dividedOut whether the result is divided by it again: a γ of 0 then counts as 1, since 0 / 0 is no number, and batch
   * norm's own γ makes the channel β.
   */
  private foldFactor(norm: IrNode, dividedOut: boolean): string {
    const [, gamma, , , variance] = norm.inputs as [string, string, string, string, string];
    const padded = this.emit('Add', [this.parameter(variance), this.b.scalar(floatOf(norm, 'epsilon', 1e-5))]);
    const own = this.parameter(gamma);
    const isZero = dividedOut ? this.emit('Equal', [own, this.b.scalar(0)]) : undefined;
    const used = isZero === undefined ? own : this.emit('Where', [isZero, this.b.scalar(1), own]);
    return this.emit('Div', [used, this.emit('Sqrt', [padded])]);
  }

  /** β alone where batch norm was folded before training: without a factor. */
  private foldedBias(norm: IrNode, factor: string | undefined, bias: string | undefined): string {
    if (factor === undefined) return this.parameter(norm.inputs[2] as string);
    const [, , beta, mean] = norm.inputs as [string, string, string, string];
    const negated = this.emit('Neg', [this.parameter(mean)]);
    const shift = bias === undefined ? negated : this.emit('Add', [bias, negated]);
    return this.emit('Add', [this.parameter(beta), this.emit('Mul', [shift, factor])]);
  }

  private quantize(value: string, carried: string): void {
    const quantizer = this.parts.placement.activations.get(value);
    if (quantizer === undefined || this.parts.scopes.get(quantizer.scope)?.state !== 'QAT') return;
    const { format, range } = quantizer;
    const learned = this.parts.trained.get(activationScaleSlot(range));
    this.names.set(
      value,
      learned === undefined
        ? fakeQuant(this, carried, this.parts.scaleFor(this, value, carried), format, this.parts.straightThrough)
        : learnedFakeQuant(this, carried, learned, format, true),
    );
  }

  private reshape(value: string, shape: readonly number[]): string {
    return this.emit('Reshape', [value, this.b.int64(shape)]);
  }

  private isParameter(name: string): boolean {
    const { trained, statistics, constants } = this.parts;
    return trained.has(name) || statistics.has(name) || constants.has(name);
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
