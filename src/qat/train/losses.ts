// What a training program minimises: each loss as a node of its own, and their weighted sum. The formulas and gradients are
// in autodiff/rules/, one file for each family.
import { HEADGATE_DOMAIN } from '../autodiff/rule.ts';
import { float, int } from '../onnx/ir.ts';
import type { Attribute, IrNode } from '../onnx/ir.ts';
import type { ForwardEmitter } from './forward.ts';
import { emitLossGraph } from './loss-graph.ts';
import type { LossGraph } from './loss-graph.ts';

interface Comparison {
  /** Value of the float graph, taken after its quantiser where it has one. */
  readonly output: string;
  /** Name of the fed tensor that it is compared with. */
  readonly target: string;
  readonly weight: number;
}

/** The target holds class numbers, int32 [N, …]; those of this value do not count. Left out: the target is like the output. */
interface ClassNumbers {
  readonly labels?: { readonly ignore: number };
}

export type LossSpec = Comparison & LossFormula;

export type LossFormula =
  | { readonly kind: 'focal-heatmap' }
  | {
      readonly kind: 'cross-entropy';
      /** Target value that does not count. */
      readonly ignore: number;
      readonly classWeights?: readonly number[];
      readonly labelSmoothing?: number;
    }
  | ({ readonly kind: 'bce'; readonly positiveWeights?: readonly number[] } & ClassNumbers)
  | ({ readonly kind: 'focal'; readonly alpha: number; readonly gamma: number } & ClassNumbers)
  | ({ readonly kind: 'dice'; readonly activation: 'softmax' | 'sigmoid'; readonly smooth: number } & ClassNumbers)
  | ({ readonly kind: 'l1' } & ClassNumbers)
  | ({ readonly kind: 'smooth-l1'; readonly beta: number } & ClassNumbers)
  | ({ readonly kind: 'mse' } & ClassNumbers)
  | { readonly kind: 'graph'; readonly graph: LossGraph }
  /** Mean squared distance to a teacher's values; `normalised` by their own mean square. */
  | { readonly kind: 'distill'; readonly normalised?: boolean }
  /** Divergence from a teacher's class probabilities. */
  | { readonly kind: 'distill-kl'; readonly temperature: number };

const lossOperators: ReadonlySet<string> = new Set([
  'FocalHeatmap',
  'CrossEntropy',
  'BinaryCrossEntropy',
  'Focal',
  'Dice',
  'MeanAbsoluteError',
  'SmoothL1',
  'MeanSquaredError',
  'SoftTargets',
]);

/** Whether a node of the forward graph is one of the losses, before it is lowered. */
export function isLoss({ op, domain }: IrNode): boolean {
  return domain === HEADGATE_DOMAIN && lossOperators.has(op);
}

export interface EmittedLosses {
  /** The weighted sum, a scalar. */
  readonly total: string;
  /** Name of a program's output → scalar, unweighted. */
  readonly named: readonly (readonly [name: string, value: string])[];
}

/** After all units: shapes are measured up to the first loss that is an operator of headgate. */
export function emitLosses(emitter: ForwardEmitter, losses: readonly LossSpec[]): EmittedLosses {
  const graphsFirst = [...losses.keys()].sort((left, right) => rank(losses[left]) - rank(losses[right]));
  const values: string[] = [];
  for (const index of graphsFirst) values[index] = emitLoss(emitter, losses[index] as LossSpec);
  const weighted = losses.map(({ weight }, index) => {
    const value = values[index] as string;
    return weight === 1 ? value : emitter.emit('Mul', [value, emitter.b.scalar(weight)]);
  });
  return {
    total: weighted.reduce((sum, value) => emitter.emit('Add', [sum, value])),
    named: losses.map((loss, index) => [lossName(loss), values[index] as string]),
  };
}

function rank(loss: LossSpec | undefined): number {
  return loss?.kind === 'graph' ? 0 : 1;
}

function emitLoss(emitter: ForwardEmitter, loss: LossSpec): string {
  const inputs = [emitter.actual(loss.output), loss.target];
  if (loss.kind === 'graph') return emitLossGraph(emitter, loss.graph, loss.output, loss.target);
  const [op, attributes] = operatorOf(loss);
  return emitter.emit(op, inputs, attributes, { domain: HEADGATE_DOMAIN });
}

function operatorOf(
  loss: Exclude<LossFormula, { readonly kind: 'graph' }>,
): readonly [op: string, attributes: IrNode['attributes']] {
  switch (loss.kind) {
    case 'focal-heatmap':
      return ['FocalHeatmap', {}];
    case 'cross-entropy':
      return [
        'CrossEntropy',
        {
          ignore: int(loss.ignore),
          ...(loss.classWeights === undefined ? {} : { class_weights: floats(loss.classWeights) }),
          ...(loss.labelSmoothing === undefined ? {} : { label_smoothing: float(loss.labelSmoothing) }),
        },
      ];
    case 'bce': {
      const { positiveWeights } = loss;
      const weights = positiveWeights === undefined ? {} : { positive_weights: floats(positiveWeights) };
      return ['BinaryCrossEntropy', { ...weights, ...numbers(loss) }];
    }
    case 'focal':
      return ['Focal', { alpha: float(loss.alpha), gamma: float(loss.gamma), ...numbers(loss) }];
    case 'dice': {
      const sigmoid = int(loss.activation === 'sigmoid' ? 1 : 0);
      return ['Dice', { sigmoid, smooth: float(loss.smooth), ...numbers(loss) }];
    }
    case 'l1':
      return ['MeanAbsoluteError', numbers(loss)];
    case 'smooth-l1':
      return ['SmoothL1', { beta: float(loss.beta), ...numbers(loss) }];
    case 'mse':
      return ['MeanSquaredError', numbers(loss)];
    case 'distill':
      return ['MeanSquaredError', loss.normalised === true ? { normalised: int(1) } : {}];
    case 'distill-kl':
      return ['SoftTargets', { temperature: float(loss.temperature) }];
  }
}

function numbers({ labels }: ClassNumbers): IrNode['attributes'] {
  return labels === undefined ? {} : { labels: int(1), ignore: int(labels.ignore) };
}

const floats = (value: readonly number[]): Attribute => ({ kind: 'floats', value });

/** A task's loss and a distance to a teacher may look at the same output. */
function lossName({ kind, output }: LossSpec): string {
  return kind === 'distill' || kind === 'distill-kl' ? `loss.distill.${output}` : `loss.${output}`;
}
