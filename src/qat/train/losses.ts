// What a training program minimises: each loss as a node of its own, and their weighted sum. The formulas and gradients are
// in autodiff/rules/losses.ts.
import { HEADGATE_DOMAIN } from '../autodiff/rule.ts';
import { int } from '../onnx/ir.ts';
import type { IrNode } from '../onnx/ir.ts';
import type { ForwardEmitter } from './forward.ts';

interface Comparison {
  /** Value of the float graph, taken after its quantiser where it has one. */
  readonly output: string;
  /** Name of the fed tensor that it is compared with. */
  readonly target: string;
  readonly weight: number;
}

export type LossSpec =
  | ({ readonly kind: 'focal-heatmap' } & Comparison)
  | ({ readonly kind: 'cross-entropy'; /** Target value that does not count. */ readonly ignore: number } & Comparison)
  /** Mean squared distance to a teacher's values. */
  | ({ readonly kind: 'distill' } & Comparison);

const lossOperators: ReadonlySet<string> = new Set(['FocalHeatmap', 'CrossEntropy', 'MeanSquaredError']);

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

/** After all units: shapes are measured up to the first loss. */
export function emitLosses(emitter: ForwardEmitter, losses: readonly LossSpec[]): EmittedLosses {
  const values = losses.map((loss) => emitLoss(emitter, loss));
  const weighted = losses.map(({ weight }, index) => {
    const value = values[index] as string;
    return weight === 1 ? value : emitter.emit('Mul', [value, emitter.b.scalar(weight)]);
  });
  return {
    total: weighted.reduce((sum, value) => emitter.emit('Add', [sum, value])),
    named: losses.map((loss, index) => [lossName(loss), values[index] as string]),
  };
}

function emitLoss(emitter: ForwardEmitter, loss: LossSpec): string {
  const inputs = [emitter.actual(loss.output), loss.target];
  const own = { domain: HEADGATE_DOMAIN };
  switch (loss.kind) {
    case 'focal-heatmap':
      return emitter.emit('FocalHeatmap', inputs, {}, own);
    case 'cross-entropy':
      return emitter.emit('CrossEntropy', inputs, { ignore: int(loss.ignore) }, own);
    case 'distill':
      return emitter.emit('MeanSquaredError', inputs, {}, own);
  }
}

/** A task's loss and a distance to a teacher may look at the same output. */
function lossName({ kind, output }: LossSpec): string {
  return kind === 'distill' ? `loss.distill.${output}` : `loss.${output}`;
}
