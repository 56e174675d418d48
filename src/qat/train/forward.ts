// The training forward of some scopes of a network as un-lowered nodes: trained scopes read their parameters from the flat
// vector, frozen ones from initializers. Per scope one of
//   FLOAT, trained    Conv, BatchNormTrain (or evaluation form), Relu
//   FLOAT, frozen     Conv, BatchNormalization, Relu with constants
//   QAT, trained      fake-quantised weights and activations; batch norm
//                     'frozen': folded with its saved statistics, in the graph;
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

export type TrainState = {
  readonly state: 'FLOAT' | 'QAT';
  readonly trained: boolean;
  readonly batchNorm: 'train' | 'frozen';
};

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
  /** Activation quantiser's value → its scale in the graph; set up by the caller for frozen or fixed scales. */
  scaleFor(value: string, observed: string): string;
}

export interface BatchStatistics {
  readonly unit: LayerUnit;
  readonly mean: string;
  readonly variance: string;
  /** N·H·W of the batch, for the unbiased variance. */
  readonly observedValue: string;
}

export class ForwardEmitter {
  /** Un-lowered nodes; constants go to `b`. */
  readonly nodes: IrNode[] = [];
  readonly batchStatistics: BatchStatistics[] = [];
  readonly frozenInitializers = new Map<string, string>();
  readonly b: GraphBuilder;
  private readonly parts: ForwardParts;
  private readonly names = new Map<string, string>();
  private counter = 0;

  constructor(b: GraphBuilder, parts: ForwardParts) {
    this.b = b;
    this.parts = parts;
  }

  actual(value: string): string {
    return this.names.get(value) ?? value;
  }

  /** Adds a node without lowering it. */
  node(
    op: string,
    inputs: readonly string[],
    attributes: IrNode['attributes'] = {},
    outputs = 1,
    domain = '',
  ): readonly string[] {
    const made = Array.from(
      { length: outputs },
      (_, index) => `f${this.counter}_${op}${outputs > 1 ? `_${index}` : ''}`,
    );
    this.nodes.push({ op, domain, name: `f${this.counter++}_${op}`, inputs, outputs: made, attributes });
    return made;
  }

  emitInput(): void {
    this.quantize(this.parts.network.input.name, this.parts.network.input.name);
  }

  emit(unit: Unit): void {
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
      this.names.set(node.outputs[0] as string, this.node(node.op, inputs, node.attributes)[0] as string);
    }
    this.quantize(unit.output, this.actual(unit.output));
  }

  private floatLayer(unit: LayerUnit, scope: TrainState): void {
    const operands = [
      this.actual(unit.input),
      this.parameter(unit.weight),
      ...(unit.bias === undefined ? [] : [this.parameter(unit.bias)]),
    ];
    let [value] = this.node('Conv', operands, unit.conv.attributes) as [string];
    if (unit.norm !== undefined)
      value = this.batchNorm(unit, unit.norm, value, scope.trained && scope.batchNorm === 'train');
    this.finish(unit, value);
  }

  private batchNorm(unit: LayerUnit, norm: IrNode, value: string, train: boolean): string {
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
      return this.node('BatchNormalization', inputs, epsilon)[0] as string;
    }
    const outputs = this.node(
      'BatchNormTrain',
      [value, this.parameter(gamma), this.parameter(beta)],
      epsilon,
      3,
      HEADGATE_DOMAIN,
    ) as [string, string, string];
    this.batchStatistics.push({ unit, mean: outputs[1], variance: outputs[2], observedValue: value });
    return outputs[0];
  }

  private qatLayer(unit: LayerUnit, scope: TrainState): void {
    const format = this.parts.placement.weights.get(unit.weight)?.format;
    if (format === undefined) throw new Error(`no quantiser for weight "${unit.weight}"`);
    const channels = this.parts.network.graph.initializers.get(unit.weight)?.shape[0] as number;
    const weight = this.parameter(unit.weight);
    const factor = unit.norm === undefined ? undefined : this.foldFactor(unit.norm);
    const scaled =
      factor === undefined
        ? weight
        : (this.node('Mul', [weight, this.column(factor, [channels, 1, 1, 1])])[0] as string);
    const quantised = this.fakeQuant(scaled, this.weightScale(scaled, channels, format), format);
    let [value] = this.node('Conv', [this.actual(unit.input), quantised], unit.conv.attributes) as [string];
    const bias = unit.bias === undefined ? undefined : this.parameter(unit.bias);
    if (unit.norm !== undefined && factor !== undefined && scope.trained && scope.batchNorm === 'train') {
      [value] = this.node('Div', [value, this.column(factor, [channels, 1, 1])]) as [string];
      if (bias !== undefined) [value] = this.node('Add', [value, this.column(bias, [channels, 1, 1])]) as [string];
      value = this.batchNorm(unit, unit.norm, value, true);
    } else {
      const folded = unit.norm === undefined ? bias : this.foldedBias(unit.norm, factor as string, bias);
      if (folded !== undefined) [value] = this.node('Add', [value, this.column(folded, [channels, 1, 1])]) as [string];
    }
    this.finish(unit, value);
  }

  /** γ/√(running variance + ε), [C]. */
  private foldFactor(norm: IrNode): string {
    const [, gamma, , , variance] = norm.inputs as [string, string, string, string, string];
    const padded = this.node('Add', [
      this.parameter(variance),
      this.b.scalar(floatOf(norm, 'epsilon', 1e-5)),
    ])[0] as string;
    return this.node('Div', [this.parameter(gamma), this.node('Sqrt', [padded])[0] as string])[0] as string;
  }

  private foldedBias(norm: IrNode, factor: string, bias: string | undefined): string {
    const [, , beta, mean] = norm.inputs as [string, string, string, string];
    const [negated] = this.node('Neg', [this.parameter(mean)]) as [string];
    const shift = bias === undefined ? negated : (this.node('Add', [bias, negated])[0] as string);
    return this.node('Add', [this.parameter(beta), this.node('Mul', [shift, factor])[0] as string])[0] as string;
  }

  /** Per channel, from the weights of this very step. */
  private weightScale(weight: string, channels: number, format: Format): string {
    const [magnitude] = this.node('Abs', [weight]) as [string];
    const [largest] = this.node('ReduceMax', [magnitude, this.b.int64([1, 2, 3])], { keepdims: int(1) }) as [string];
    const [scale] = this.node('Div', [largest, this.b.scalar(steps(format))]) as [string];
    return this.node('Max', [
      scale,
      this.b.floats(
        Array.from({ length: channels }, () => EPSILON),
        [channels, 1, 1, 1],
      ),
    ])[0] as string;
  }

  private fakeQuant(value: string, scale: string, format: Format): string {
    const { qmin, qmax } = limits(format);
    return this.node(
      'FakeQuant',
      [value, scale],
      { qmin: int(qmin), qmax: int(qmax) },
      2,
      HEADGATE_DOMAIN,
    )[0] as string;
  }

  private finish(unit: LayerUnit, value: string): void {
    const done =
      unit.activation === undefined
        ? value
        : (this.node(unit.activation.op, [value], unit.activation.attributes)[0] as string);
    this.names.set(unit.output, done);
    this.quantize(unit.output, done);
  }

  private quantize(value: string, carried: string): void {
    const quantizer = this.parts.placement.activations.get(value);
    if (quantizer === undefined || this.parts.scopes.get(quantizer.scope)?.state !== 'QAT') return;
    this.names.set(value, this.fakeQuant(carried, this.parts.scaleFor(value, carried), quantizer.format));
  }

  private column(value: string, shape: readonly number[]): string {
    return this.node('Reshape', [value, this.b.int64(shape)])[0] as string;
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
