// Losses that are a mean over single scores [N, C, …], each compared with a target of the same shape or with class numbers
// (see dense-target.ts). Logits stay logits, so that large ones neither overflow nor lose their gradient.
import { floatOf, int } from '../../onnx/ir.ts';
import type { IrNode } from '../../onnx/ir.ts';
import type { GraphBuilder } from '../../onnx/builder.ts';
import type { GradientRule } from '../rule.ts';
import { denseTarget, perClass } from './dense-target.ts';

interface Comparison {
  readonly b: GraphBuilder;
  readonly node: IrNode;
  readonly scores: string;
  readonly target: string;
  readonly shape: readonly number[];
}

/** @param loss of each score. @param slope its derivative by the score. */
function meanOver(loss: (c: Comparison) => string, slope: (c: Comparison) => string): GradientRule {
  return {
    kind: 'gradient',
    lower: ({ b, node, shapeOf }) => {
      const scores = node.inputs[0] as string;
      const shape = shapeOf(scores);
      const { target, valid, count } = denseTarget(b, node, shape);
      const each = loss({ b, node, scores, target, shape });
      const counted = valid === undefined ? each : b.emit('Mul', [each, valid]);
      b.emit('Div', [b.emit('ReduceSum', [counted], { keepdims: int(0) }), count], {}, { outputs: node.outputs });
    },
    backward: ({ b, node, shapeOf, upstream: [dy] }) => {
      if (dy === undefined) return [];
      const scores = node.inputs[0] as string;
      const shape = shapeOf(scores);
      const { target, valid, count } = denseTarget(b, node, shape);
      const share = b.emit('Div', [dy, count]);
      const weight = valid === undefined ? share : b.emit('Mul', [valid, share]);
      return [b.emit('Mul', [slope({ b, node, scores, target, shape }), weight])];
    },
  };
}

const difference = ({ b, scores, target }: Comparison): string => b.emit('Sub', [scores, target]);

/**
 * `headgate.MeanSquaredError(value, reference)`: mean of squared differences; with the attribute `normalised` their sum over the
 * sum of the reference's squares, the inverse of the SQNR.
 */
export const meanSquaredError = meanOver(
  (c) => {
    const d = difference(c);
    return c.b.emit('Mul', [d, d]);
  },
  (c) => c.b.emit('Mul', [difference(c), c.b.scalar(2)]),
);

/** `headgate.MeanAbsoluteError(value, reference)`; no gradient where they are equal, as in PyTorch. */
export const meanAbsoluteError = meanOver(
  (c) => c.b.emit('Abs', [difference(c)]),
  (c) => c.b.emit('Sign', [difference(c)]),
);

/** `headgate.SmoothL1(value, reference)`: d²/(2·beta) where |d| < beta, else |d| − beta/2 (Girshick 2015). */
export const smoothL1 = meanOver(
  (c) => {
    const { b, node } = c;
    const beta = floatOf(node, 'beta', 1);
    const size = b.emit('Abs', [difference(c)]);
    // With m = min(|d|, beta): m²/(2·beta) + (|d| − m).
    const inner = b.emit('Min', [size, b.scalar(beta)]);
    const bowl = b.emit('Mul', [b.emit('Mul', [inner, inner]), b.scalar(0.5 / beta)]);
    return b.emit('Add', [bowl, b.emit('Sub', [size, inner])]);
  },
  (c) => {
    const scaled = c.b.emit('Mul', [difference(c), c.b.scalar(1 / floatOf(c.node, 'beta', 1))]);
    return c.b.emit('Clip', [scaled, c.b.scalar(-1), c.b.scalar(1)]);
  },
);

/**
 * `headgate.BinaryCrossEntropy(logits, target)`, targets from 0 to 1, attribute `positive_weights` (one, or one per class): as
 * torch.nn.BCEWithLogitsLoss.
 */
export const binaryCrossEntropy = meanOver(
  (c) => {
    const { b, scores, target } = c;
    const negative = b.emit('Mul', [b.emit('Sub', [b.scalar(1), target]), scores]);
    const softplus = b.emit('Softplus', [b.emit('Neg', [scores])]);
    return b.emit('Add', [negative, b.emit('Mul', [positiveWeight(c), softplus])]);
  },
  (c) => {
    const { b, scores, target } = c;
    const missing = b.emit('Sigmoid', [b.emit('Neg', [scores])]);
    return b.emit('Sub', [b.emit('Sub', [b.scalar(1), target]), b.emit('Mul', [positiveWeight(c), missing])]);
  },
);

/** 1 + (weight − 1)·target */
function positiveWeight({ b, node, target, shape }: Comparison): string {
  const { positive_weights: weights } = node.attributes;
  if (weights?.kind !== 'floats') return b.scalar(1);
  const more = perClass(
    b,
    weights.value.map((value) => value - 1),
    shape,
  );
  return b.emit('Add', [b.scalar(1), b.emit('Mul', [more, target])]);
}

/**
 * `headgate.Focal(logits, target)`: α_t·(1 − p_t)^γ·binary cross-entropy (Lin et al. 2017), attributes `gamma` and `alpha`
 * (α of the positive, 1 − α of the negative; negative: none), as torchvision's sigmoid_focal_loss with reduction "mean".
 */
export const focal = meanOver(
  (c) => {
    const { b } = c;
    const { entropy, balance, modulation } = focalParts(c);
    return b.emit('Mul', [b.emit('Mul', [balance, entropy]), modulation]);
  },
  (c) => {
    const { b, node, target } = c;
    const gamma = floatOf(node, 'gamma', 2);
    const { entropy, balance, missing, modulation, p, q } = focalParts(c);
    const plain = b.emit('Mul', [b.emit('Sub', [p, target]), modulation]);
    if (gamma === 0) return b.emit('Mul', [balance, plain]);
    // d(missing)/d(logit) = p·q·(1 − 2·target)
    const turn = b.emit('Sub', [b.scalar(1), b.emit('Mul', [target, b.scalar(2)])]);
    const moved = b.emit('Mul', [b.emit('Mul', [b.emit('Mul', [p, q]), turn]), b.scalar(gamma)]);
    const power = b.emit('Pow', [missing, b.scalar(gamma - 1)]);
    const through = b.emit('Mul', [b.emit('Mul', [entropy, power]), moved]);
    return b.emit('Mul', [balance, b.emit('Add', [plain, through])]);
  },
);

function focalParts({ b, node, scores, target }: Comparison) {
  const one = b.scalar(1);
  const [alpha, gamma] = [floatOf(node, 'alpha', 0.25), floatOf(node, 'gamma', 2)];
  const negated = b.emit('Neg', [scores]);
  const [p, q] = [b.emit('Sigmoid', [scores]), b.emit('Sigmoid', [negated])];
  const rest = b.emit('Sub', [one, target]);
  const entropy = b.emit('Add', [
    b.emit('Mul', [target, b.emit('Softplus', [negated])]),
    b.emit('Mul', [rest, b.emit('Softplus', [scores])]),
  ]);
  // 1 − p_t, without the cancellation of 1 − p; kept above 0 for powers below 1.
  const exact = b.emit('Add', [b.emit('Mul', [target, q]), b.emit('Mul', [rest, p])]);
  const missing = b.emit('Max', [exact, b.scalar(1e-30)]);
  const balance =
    alpha < 0
      ? one
      : b.emit('Add', [b.emit('Mul', [target, b.scalar(alpha)]), b.emit('Mul', [rest, b.scalar(1 - alpha)])]);
  return { p, q, entropy, missing, balance, modulation: b.emit('Pow', [missing, b.scalar(gamma)]) };
}
