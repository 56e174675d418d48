// Batch normalisation. In evaluation form an affine map with constant statistics; in training form
// `headgate.BatchNormTrain(x, gamma, beta) → y, mean, variance` with the batch's own (biased) variance, and
// `headgate.BatchNormSwitch(x, gamma, beta, mean, variance, frozen) → y, batch mean, batch variance, used mean, used variance`,
// which normalises with the given statistics where the scalar `frozen` is 1, and as BatchNormTrain where it is 0, and
// `headgate.BatchNormTrainDivided(x, gamma, beta, factor) → y, mean, variance, u` of u = x / factor, per channel, where
// `spatial_axes` (by default 2) follow the channels: the division has no gradient pass of its own, it goes into that of the
// normalisation.
// dx = γ·invstd/M · (M·dy − Σdy − x̂·Σ(dy·x̂)) with M = N·H·W (Ioffe and Szegedy 2015).
import { float, floatOf, int, intOf } from '../../onnx/ir.ts';
import type { IrNode } from '../../onnx/ir.ts';
import type { GraphBuilder } from '../../onnx/builder.ts';
import { axesFrom, GradientError, sizeOf } from '../rule.ts';
import type { GradientRule } from '../rule.ts';

export const batchNormTrain: GradientRule = {
  kind: 'gradient',
  lower: ({ b, node }) => {
    emitBatchStatistics(b, node, node.outputs);
  },
  backward: ({ b, node, shapeOf, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const [, mean, variance] = node.outputs as [string, string, string];
    return throughStatistics({ b, node, shapeOf, dy }, mean, variance);
  },
};

export const batchNormTrainDivided: GradientRule = {
  kind: 'gradient',
  lower: ({ b, node, shapeOf }) => {
    const [x, gamma, , factor] = node.inputs as [string, string, string, string];
    const [y, mean, variance, divided] = node.outputs as [string, string, string, string];
    const [channels = 0] = shapeOf(gamma);
    const column = b.reshape(factor, [channels, ...Array.from({ length: intOf(node, 'spatial_axes', 2) }, () => 1)]);
    b.emit('Div', [x, column], {}, { outputs: [divided] });
    emitBatchStatistics(b, { ...node, inputs: [divided, ...node.inputs.slice(1)] }, [y, mean, variance]);
  },
  backward: ({ b, node, shapeOf, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const [, mean, variance, divided] = node.outputs as [string, string, string, string];
    const [x, gamma, beta, factor] = node.inputs as [string, string, string, string];
    const inner = { ...node, inputs: [divided, gamma, beta] };
    const shapes = (value: string): readonly number[] => shapeOf(value === divided ? x : value);
    const through = normalisationSlopes({ b, node: inner, shapeOf: shapes, dy }, mean, variance);
    // With du the gradient of u: Σdu = 0 and so Σ(du·u) = Σ(du·(u − mean)) = scale·Σ(dy·(u − mean))·ε/(variance + ε).
    // Signs go with constants: a node less each, and the same bits.
    const minusEpsilon = b.scalar(-floatOf(node, 'epsilon', 1e-5));
    const left = b.emit('Mul', [b.emit('Mul', [through.invStd, through.invStd]), minusEpsilon]);
    const minusSum = b.emit('Mul', [b.emit('Mul', [through.scale, through.centred]), left]);
    const over = (value: string): string => b.emit('Div', [value, factor]);
    const dx = affineSum(b, dy, divided, mean, {
      channels: through.channels,
      scale: over(through.scale),
      offset: over(through.offset),
      slope: over(through.slope),
    });
    return [dx, through.dGamma, through.sumDy, over(minusSum)];
  },
};

export const batchNormSwitch: GradientRule = {
  kind: 'gradient',
  lower: ({ b, node }) => {
    const [x, gamma, beta, mean, variance, frozen] = node.inputs as [string, string, string, string, string, string];
    const [y, batchMean, batchVariance, usedMean, usedVariance] = node.outputs as [
      string,
      string,
      string,
      string,
      string,
    ];
    emitBatchStatistics(b, node, [b.fresh('unused'), batchMean, batchVariance]);
    const held = b.emit('Greater', [frozen, b.scalar(0.5)]);
    b.emit('Where', [held, mean, batchMean], {}, { outputs: [usedMean] });
    b.emit('Where', [held, variance, batchVariance], {}, { outputs: [usedVariance] });
    const attributes = { epsilon: float(floatOf(node, 'epsilon', 1e-5)) };
    b.emit('BatchNormalization', [x, gamma, beta, usedMean, usedVariance], attributes, { outputs: [y] });
  },
  backward: ({ b, node, shapeOf, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const [, , , usedMean, usedVariance] = node.outputs as [string, string, string, string, string];
    const moving = b.emit('Sub', [b.scalar(1), node.inputs[5] as string]);
    return throughStatistics({ b, node, shapeOf, dy }, usedMean, usedVariance, moving);
  },
};

/** The runtime's own training form: normalised values, and the batch's mean and biased variance. */
function emitBatchStatistics(b: GraphBuilder, node: IrNode, outputs: readonly string[]): void {
  const [x, gamma, beta] = node.inputs as [string, string, string];
  // The runtime writes the "running" outputs into the buffers of the running inputs, even of initializers: each must
  // have a buffer that nothing else reads, and two nodes that common-subexpression elimination cannot merge.
  const noMean = b.emit('Sub', [gamma, gamma]);
  const noVariance = b.emit('Sub', [beta, beta]);
  // momentum 0: the "running" outputs are the batch's own statistics.
  b.emitAll(
    'BatchNormalization',
    [x, gamma, beta, noMean, noVariance],
    { training_mode: int(1), momentum: float(0), epsilon: float(floatOf(node, 'epsilon', 1e-5)) },
    { outputs },
  );
}

interface Through {
  readonly b: GraphBuilder;
  readonly node: IrNode;
  readonly dy: string;
  shapeOf(value: string): readonly number[];
}

/** @param moving 1 where the statistics depend on x, 0 where they are constant; always 1 without it. */
function throughStatistics(
  { b, node, shapeOf, dy }: Through,
  mean: string,
  variance: string,
  moving?: string,
): readonly string[] {
  const { channels, scale, slope, offset, dGamma, sumDy } = normalisationSlopes(
    { b, node, shapeOf, dy },
    mean,
    variance,
  );
  const whereMoving = (value: string): string => (moving === undefined ? value : b.emit('Mul', [value, moving]));
  const parts = { channels, scale, offset: whereMoving(offset), slope: whereMoving(slope) };
  return [affineSum(b, dy, node.inputs[0] as string, mean, parts), dGamma, sumDy];
}

interface Slopes {
  readonly channels: number;
  /** All [C]: dx = scale·dy + offset + slope·(x − mean). */
  readonly scale: string;
  readonly offset: string;
  readonly slope: string;
  readonly invStd: string;
  /** Σ(dy·(x − mean)) */
  readonly centred: string;
  readonly dGamma: string;
  readonly sumDy: string;
}

function normalisationSlopes({ b, node, shapeOf, dy }: Through, mean: string, variance: string): Slopes {
  const [x, gamma] = node.inputs as [string, string];
  const shape = shapeOf(x);
  const channels = shape[1] as number;
  const rank = shape.length;
  const epsilon = floatOf(node, 'epsilon', 1e-5);
  const invStd = b.emit('Reciprocal', [b.emit('Sqrt', [b.emit('Add', [variance, b.scalar(epsilon)])])]);
  const sumDy = channelSum(b, dy, rank);
  const centred = b.emit('Sub', [channelSum(b, b.emit('Mul', [dy, x]), rank), b.emit('Mul', [mean, sumDy])]);
  const dGamma = b.emit('Mul', [centred, invStd]);
  const scale = b.emit('Mul', [gamma, invStd]);
  const minusCount = b.scalar(-sizeOf(shape) / channels);
  const slope = b.emit('Div', [b.emit('Mul', [b.emit('Mul', [scale, invStd]), dGamma]), minusCount]);
  const offset = b.emit('Div', [b.emit('Mul', [scale, sumDy]), minusCount]);
  return { channels, scale, offset, slope, invStd, centred, dGamma, sumDy };
}

/** scale·dy + offset + slope·(x − mean) per channel, in two passes of the runtime's evaluation form. */
function affineSum(
  b: GraphBuilder,
  dy: string,
  x: string,
  mean: string,
  { channels, scale, offset, slope }: Pick<Slopes, 'channels' | 'scale' | 'offset' | 'slope'>,
): string {
  const zeros = b.floats(Array.from({ length: channels }, () => 0));
  const ones = b.floats(Array.from({ length: channels }, () => 1));
  const exact = { epsilon: float(0) };
  return b.emit('Add', [
    b.emit('BatchNormalization', [dy, scale, offset, zeros, ones], exact),
    b.emit('BatchNormalization', [x, slope, zeros, mean, ones], exact),
  ]);
}

/** Evaluation form: y = (x − mean)·γ/√(variance + ε) + β, statistics constant. */
export const batchNormalization: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream: [dy], wanted }) => {
    if (dy === undefined) return [];
    if (intOf(node, 'training_mode', 0) === 1)
      throw new GradientError(node, 'it is in training mode; export the model in evaluation mode');
    const [x, gamma, , mean, variance] = node.inputs as [string, string, string, string, string];
    const rank = shapeOf(x).length;
    const channels = shapeOf(x)[1] as number;
    const invStd = b.emit('Reciprocal', [
      b.emit('Sqrt', [b.emit('Add', [variance, b.scalar(floatOf(node, 'epsilon', 1e-5))])]),
    ]);
    const scale = b.reshape(b.emit('Mul', [gamma, invStd]), [channels, ...axesFrom(2, rank).map(() => 1)]);
    const sumDy = wanted[1] === true || wanted[2] === true ? channelSum(b, dy, rank) : undefined;
    const dGamma =
      wanted[1] === true && sumDy !== undefined
        ? b.emit('Mul', [
            b.emit('Sub', [channelSum(b, b.emit('Mul', [dy, x]), rank), b.emit('Mul', [mean, sumDy])]),
            invStd,
          ])
        : undefined;
    return [
      wanted[0] === true ? b.emit('Mul', [dy, scale]) : undefined,
      dGamma,
      wanted[2] === true ? sumDy : undefined,
    ];
  },
};

/** [N, C, …] summed to [C], in two steps: several times faster than one. */
export function channelSum(b: GraphBuilder, value: string, rank: number): string {
  return b.reduceSum(rank > 2 ? b.reduceSum(value, axesFrom(2, rank), false) : value, [0], false);
}
