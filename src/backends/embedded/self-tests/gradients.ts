// Self-test of the training graph: for each trained tensor of the stage's scopes, in state FLOAT, the change of the loss from a
// little way along its gradient to as far against it is what the gradient says (central difference). In float, because a
// straight-through gradient is no derivative. The loss is the squared output: no ground truth, a gradient everywhere.
import { BACKBONE } from '../../../qat/network/network.ts';
import { placeQuantizers } from '../../../qat/quantize/placement.ts';
import type { TrainState } from '../../../qat/train/forward.ts';
import { compileProgram } from '../../../qat/train/program.ts';
import { Trainer } from '../../../qat/train/trainer.ts';
import { elementCount, zeros } from '../../../support/tensor.ts';
import type { Tensor } from '../../../support/tensor.ts';
import { headOf } from '../settings.ts';
import { outputOf } from '../tasks.ts';
import { fails, holds, runOnce } from './self-test.ts';
import type { Finding, SelfTest } from './self-test.ts';

/** Of what the gradient says. */
const TOLERANCE = 0.05;
/**
 * Of the loss: how much a step shall change it, tried in this order. The loss bends and Relu has kinks, which a smaller step
 * meets less of; a gradient that is wrong stays so.
 */
const ASKED_CHANGES = [2e-3, 5e-4, 1.25e-4] as const;
/** Of the loss: the least change that its float32 still shows. */
const SEEN_CHANGE = 1e-4;
/** Of a tensor's own norm: no step is longer. */
const LONGEST_STEP = 0.02;
/** Tensors that are looked at, those with the largest gradients. */
const MOST_TENSORS = 40;
/** Large, so that the parameters' own rounding does not blur the gradient that is read off one update. */
const READING_RATE = 2 ** 20;
const STILL = { learningRate: 0, averagingConstant: 0 };

export const gradients: SelfTest = async (subject) => {
  const { network, scopes, task, request, batch, images } = subject;
  const names = [BACKBONE, headOf(task)];
  const checkpoints = names.flatMap((name) => scopes.get(name)?.checkpoint ?? []);
  if (checkpoints.length < names.length) return fails('the stage has no backbone with a head');
  const trained: TrainState = { state: 'FLOAT', trained: true, batchNorm: 'frozen' };
  const output = outputOf(network, task);
  const target: Tensor = zeros((await runOnce(subject, scopes)).get(output)?.shape ?? []);
  const optimizer = { kind: 'sgd', weightDecay: 0, momentum: 0 } as const;
  const program = await compileProgram({
    network,
    scopes: new Map(names.map((name) => [name, trained])),
    placement: placeQuantizers(network, new Map()),
    constants: new Map(),
    ranges: new Map(),
    activationScales: 'fixed',
    losses: [{ kind: 'distill', output, target: 'target', weight: 1 }],
    targets: [{ name: 'target', dtype: 'float32', shape: target.shape }],
    batch,
    boundaryShapes: new Map(),
    optimizer,
    momentum: 0,
  });
  const parameters = new Map(checkpoints.flatMap((checkpoint) => [...checkpoint.parameters]));
  const trainer = await Trainer.start(program, optimizer, request.threads, { parameters, ranges: new Map() });
  const data = new Map([
    [network.input.name, images],
    ['target', target],
  ]);
  const probe = await GradientProbe.start(trainer, data);
  const slots = program.parameters.slots.map(({ name, shape }) => ({ name, size: elementCount(shape) }));
  const finding = await compareAll(probe, slots);
  await trainer.release();
  return finding;
};

/** A tensor's place in the vector of all trained parameters. */
interface Part {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

async function compareAll(
  probe: GradientProbe,
  slots: readonly { readonly name: string; readonly size: number }[],
): Promise<Finding> {
  const parts: Part[] = [];
  for (const { name, size } of slots) {
    const from = parts.at(-1)?.to ?? 0;
    parts.push({ name, from, to: from + size });
  }
  const steepest = [...parts].sort((left, right) => probe.steepness(right) - probe.steepness(left));
  let [measured, widest] = [0, 0];
  for (const part of steepest.slice(0, MOST_TENSORS)) {
    const found = await probe.compare(part);
    if (found === undefined) continue;
    const { said, seen } = found;
    const off = offBy(found);
    if (!(off <= TOLERANCE))
      return fails(
        `the gradient of "${part.name}" says that the loss changes by ${said.toExponential(3)}, it changes by ${seen.toExponential(3)}`,
      );
    measured++;
    widest = Math.max(widest, off);
  }
  if (measured === 0) return fails('no gradient is large enough to be seen in the loss');
  return holds(
    `gradients of ${measured} of ${parts.length} tensors agree with central differences, within ${(100 * widest).toFixed(2)} %`,
  );
}

/** Changes of the loss. */
interface Compared {
  /** By the gradient. */
  readonly said: number;
  readonly seen: number;
}

function offBy({ said, seen }: Compared): number {
  return Math.abs(seen / said - 1);
}

class GradientProbe {
  private readonly trainer: Trainer;
  private readonly data: ReadonlyMap<string, Tensor>;
  private readonly start: Trainer['state'];
  private readonly gradient: Float64Array;
  private readonly loss: number;

  private constructor(trainer: Trainer, data: ReadonlyMap<string, Tensor>, start: Trainer['state'], loss: number) {
    this.trainer = trainer;
    this.data = data;
    this.start = start;
    this.loss = loss;
    const moved = trainer.state.parameters;
    this.gradient = Float64Array.from(start.parameters, (value, at) => (value - (moved[at] as number)) / READING_RATE);
  }

  static async start(trainer: Trainer, data: ReadonlyMap<string, Tensor>): Promise<GradientProbe> {
    const { state } = trainer;
    const losses = await trainer.step(data, { ...STILL, learningRate: READING_RATE });
    return new GradientProbe(trainer, data, state, losses.get('loss') as number);
  }

  /** Square of the gradient's norm. */
  steepness({ from, to }: Part): number {
    return this.gradient.subarray(from, to).reduce((sum, value) => sum + value * value, 0);
  }

  /** @returns the first that agrees, else the last; undefined where the loss cannot show any. */
  async compare(part: Part): Promise<Compared | undefined> {
    const steepness = this.steepness(part);
    const values = this.start.parameters.subarray(part.from, part.to);
    const norm = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
    const longest = (LONGEST_STEP * norm) / Math.sqrt(steepness);
    let found: Compared | undefined;
    for (const asked of ASKED_CHANGES) {
      const step = Math.min((asked * this.loss) / (2 * steepness), longest);
      const said = 2 * step * steepness;
      if (!(said >= SEEN_CHANGE * this.loss)) break;
      found = { said, seen: (await this.lossAt(part, step)) - (await this.lossAt(part, -step)) };
      if (offBy(found) <= TOLERANCE) break;
    }
    return found;
  }

  private async lossAt({ from, to }: Part, step: number): Promise<number> {
    const parameters = this.start.parameters.slice();
    for (let at = from; at < to; at++)
      parameters[at] = (parameters[at] as number) + step * (this.gradient[at] as number);
    this.trainer.restore({ ...this.start, parameters });
    return (await this.trainer.step(this.data, STILL)).get('loss') as number;
  }
}
