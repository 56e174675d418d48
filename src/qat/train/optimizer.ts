// Optimisers over the flat parameter vector. Learning rate and bias corrections are inputs, so that schedules need no
// recompilation. AdamW: Loshchilov and Hutter 2019, as torch.optim.AdamW; SGD with momentum: as torch.optim.SGD (weight
// decay added to the gradient, no dampening). Weight decay acts only where the mask is 1. Clipping by the global norm is
// torch.nn.utils.clip_grad_norm_.
import { int } from '../onnx/ir.ts';
import type { GraphBuilder } from '../onnx/builder.ts';

export type OptimizerSettings =
  | {
      readonly kind: 'adamw';
      readonly weightDecay: number;
      readonly beta1?: number;
      readonly beta2?: number;
      readonly epsilon?: number;
    }
  | { readonly kind: 'sgd'; readonly weightDecay: number; readonly momentum: number; readonly nesterov?: boolean };

export interface OptimizerInputs {
  readonly parameters: string;
  readonly gradient: string;
  /** First and second moment (AdamW), or momentum and an unused vector (SGD). */
  readonly first: string;
  readonly second: string;
  /** The learning rate, a scalar or one for each parameter; scalars 1 − β1ᵗ, 1 − β2ᵗ. */
  readonly learningRate: string;
  readonly correction1: string;
  readonly correction2: string;
  readonly decayMask: string;
}

export interface OptimizerOutputs {
  readonly parameters: string;
  readonly first: string;
  readonly second: string;
}

/** One update. All vectors are [P] in the layout of the parameters. */
export function emitOptimizer(b: GraphBuilder, settings: OptimizerSettings, i: OptimizerInputs): OptimizerOutputs {
  const decay = b.emit('Mul', [i.decayMask, b.scalar(settings.weightDecay)]);
  if (settings.kind === 'sgd') {
    const gradient = b.emit('Add', [i.gradient, b.emit('Mul', [i.parameters, decay])]);
    const momentum = b.scalar(settings.momentum);
    const first = b.emit('Add', [b.emit('Mul', [i.first, momentum]), gradient]);
    const direction = settings.nesterov === true ? b.emit('Add', [gradient, b.emit('Mul', [first, momentum])]) : first;
    return {
      parameters: b.emit('Sub', [i.parameters, b.emit('Mul', [direction, i.learningRate])]),
      first,
      second: b.emit('Identity', [i.second]),
    };
  }
  const { beta1, beta2 } = betas(settings);
  const kept = b.emit('Mul', [i.parameters, b.emit('Sub', [b.scalar(1), b.emit('Mul', [decay, i.learningRate])])]);
  const first = b.emit('Add', [
    b.emit('Mul', [i.first, b.scalar(beta1)]),
    b.emit('Mul', [i.gradient, b.scalar(1 - beta1)]),
  ]);
  const squared = b.emit('Mul', [i.gradient, i.gradient]);
  const second = b.emit('Add', [
    b.emit('Mul', [i.second, b.scalar(beta2)]),
    b.emit('Mul', [squared, b.scalar(1 - beta2)]),
  ]);
  const spread = b.emit('Sqrt', [b.emit('Div', [second, i.correction2])]);
  const bottom = b.emit('Add', [spread, b.scalar(settings.epsilon ?? 1e-8)]);
  const step = b.emit('Div', [b.emit('Mul', [b.emit('Div', [first, i.correction1]), i.learningRate]), bottom]);
  return { parameters: b.emit('Sub', [kept, step]), first, second };
}

/** The gradient scaled down to `clipNorm` where its Euclidean norm is larger. */
export function emitClipped(b: GraphBuilder, gradient: string, clipNorm: number): string {
  const squares = b.emit('ReduceSum', [b.emit('Mul', [gradient, gradient])], { keepdims: int(0) });
  const norm = b.emit('Add', [b.emit('Sqrt', [squares]), b.scalar(1e-6)]);
  return b.emit('Mul', [gradient, b.emit('Min', [b.emit('Div', [b.scalar(clipNorm), norm]), b.scalar(1)])]);
}

/** average ← average + (1 − decay)·(value − average), as torch.optim.swa_utils; `keep` is 1 − decay. */
export function emitAverage(b: GraphBuilder, average: string, value: string, keep: string): string {
  return b.emit('Add', [average, b.emit('Mul', [b.emit('Sub', [value, average]), keep])]);
}

/** 1 − β1ᵗ and 1 − β2ᵗ for step t = 1, 2, … */
export function corrections(settings: OptimizerSettings, step: number): readonly [number, number] {
  if (settings.kind === 'sgd') return [1, 1];
  const { beta1, beta2 } = betas(settings);
  return [1 - beta1 ** step, 1 - beta2 ** step];
}

function betas(settings: { readonly beta1?: number; readonly beta2?: number }): {
  readonly beta1: number;
  readonly beta2: number;
} {
  return { beta1: settings.beta1 ?? 0.9, beta2: settings.beta2 ?? 0.999 };
}
