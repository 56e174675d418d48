// Runs a compiled training program step by step and owns its state: parameters, moments, statistics, ranges, step count.
// Not for choosing data or rates: the caller feeds both.
import type { FloatTensor, Tensor } from '../../support/tensor.ts';
import { floatTensor } from '../../support/tensor.ts';
import type { Parameters } from '../network/fold.ts';
import type { Range } from '../quantize/checkpoint.ts';
import type { Placement } from '../quantize/placement.ts';
import { scaleOf, steps } from '../quantize/scheme.ts';
import { createSession } from '../runtime/onnxruntime.ts';
import type { Session } from '../runtime/onnxruntime.ts';
import { pack, unpack } from './layout.ts';
import { corrections } from './optimizer.ts';
import type { OptimizerSettings } from './optimizer.ts';
import type { TrainingProgram } from './program.ts';
import { activationScaleSlot, isScaleSlot, weightScaleSlot } from './scale-slots.ts';

export interface TrainerState {
  readonly step: number;
  readonly parameters: Float32Array;
  readonly first: Float32Array;
  readonly second: Float32Array;
  readonly statistics: Float32Array;
  readonly ranges: Float32Array;
  /** Of parameters and statistics, one after the other; empty where none are kept. */
  readonly averages: Float32Array;
}

export const stateVectors = ['parameters', 'first', 'second', 'statistics', 'ranges', 'averages'] as const;

export interface StepRates {
  readonly learningRate: number;
  /** c of `min ← min + c·(cur − min)`; used where activation scales follow. */
  readonly averagingConstant: number;
  /** Whether batch norms use their running statistics, which then stand still; read where the program can switch. */
  readonly batchNormFrozen?: boolean;
}

export interface InitialState {
  readonly parameters: Parameters;
  readonly ranges: ReadonlyMap<string, Range>;
  /** What learned weight scales start from: weight → one per output channel. */
  readonly weightScales?: ReadonlyMap<string, Float32Array>;
}

/** Equal programs, states, data and threads give equal bits, step by step. */
export class Trainer {
  private readonly session: Session;
  private readonly program: TrainingProgram;
  private readonly optimizer: OptimizerSettings;
  private current: TrainerState;

  private constructor(session: Session, program: TrainingProgram, optimizer: OptimizerSettings, current: TrainerState) {
    this.session = session;
    this.program = program;
    this.optimizer = optimizer;
    this.current = current;
  }

  static async start(
    program: TrainingProgram,
    optimizer: OptimizerSettings,
    threads: number,
    initial: InitialState,
  ): Promise<Trainer> {
    // The graph is simplified already, and the runtime's passes over it take most of the time before the first step: they
    // pay where constants of frozen scopes can be folded.
    const optimisation = program.frozenInitializers.size === 0 ? 'disabled' : 'all';
    const session = await createSession(program.model, { threads, optimisation });
    const parameters = pack(program.parameters, withScales(program, initial));
    const statistics = pack(program.statistics, initial.parameters);
    const ranges = new Map(
      [...initial.ranges].map(([name, { min, max }]) => [name, floatTensor([2], Float32Array.of(min, max))]),
    );
    return new Trainer(session, program, optimizer, {
      step: 0,
      parameters,
      first: new Float32Array(parameters.length),
      second: new Float32Array(parameters.length),
      statistics,
      ranges: pack(program.ranges, ranges),
      averages: program.averageDecay === undefined ? new Float32Array(0) : joined(parameters, statistics),
    });
  }

  get state(): TrainerState {
    return this.current;
  }

  restore(state: TrainerState): void {
    for (const name of stateVectors) {
      if (state[name].length !== this.current[name].length) throw new Error(`resume state "${name}" has another size`);
    }
    this.current = state;
  }

  /** One forward, backward and update. @returns every loss by name, 'loss' being their weighted sum. */
  async step(data: ReadonlyMap<string, Tensor>, rates: StepRates): Promise<ReadonlyMap<string, number>> {
    const { step, ...vectors } = this.current;
    const [correction1, correction2] = corrections(this.optimizer, step + 1);
    const scalars = {
      learningRate: rates.learningRate,
      correction1,
      correction2,
      averagingConstant: rates.averagingConstant,
      // The first step's values are the first averages, as in torch.optim.swa_utils.
      averageKeep: step === 0 ? 1 : 1 - (this.program.averageDecay ?? 0),
      batchNormFrozen: rates.batchNormFrozen === true ? 1 : 0,
    };
    const feeds = new Map<string, Tensor>(data);
    for (const [name, value] of Object.entries(vectors)) feeds.set(name, floatTensor([value.length], value));
    for (const [name, value] of Object.entries(scalars)) feeds.set(name, floatTensor([], Float32Array.of(value)));
    for (const name of [...feeds.keys()]) if (!this.session.inputNames.includes(name)) feeds.delete(name);
    const results = await this.session.run(feeds);
    const next = (name: (typeof stateVectors)[number]): Float32Array =>
      (results.get(`${name}.next`)?.data as Float32Array | undefined) ?? this.current[name];
    this.current = {
      step: step + 1,
      parameters: next('parameters'),
      first: next('first'),
      second: next('second'),
      statistics: next('statistics'),
      ranges: next('ranges'),
      averages: next('averages'),
    };
    return new Map(
      [...results]
        .filter(([name]) => name === 'loss' || name.startsWith('loss.'))
        .map(([name, tensor]) => [name, Number(tensor.data[0])]),
    );
  }

  /** Trained parameters and running statistics, by name; their averages where those are kept. */
  parameters(): ReadonlyMap<string, FloatTensor> {
    return new Map([...this.values()].filter(([name]) => !isScaleSlot(name)));
  }

  /** Learned scales of weights, one per output channel; empty where they are derived. */
  weightScales(placement: Placement): ReadonlyMap<string, Float32Array> {
    const values = this.values();
    const found = new Map<string, Float32Array>();
    for (const weight of placement.weights.keys()) {
      const scale = values.get(weightScaleSlot(weight));
      if (scale !== undefined) found.set(weight, scale.data);
    }
    return found;
  }

  /** Ranges that followed the activations, or that learned scales stand for; empty where scales are fixed. */
  ranges(placement: Placement): ReadonlyMap<string, Range> {
    const found = new Map<string, Range>();
    for (const [value, { data }] of unpack(this.program.ranges, this.current.ranges)) {
      const quantizer = placement.activations.get(value);
      const [min = 0, max = 0] = data;
      if (quantizer !== undefined) found.set(value, { min, max, scale: scaleOf(min, max, quantizer.format) });
    }
    const values = this.values();
    for (const [range, { format }] of placement.ranges) {
      const scale = values.get(activationScaleSlot(range))?.data[0];
      if (scale === undefined) continue;
      const max = Math.fround(scale * steps(format));
      found.set(range, { min: format.signed ? -max : 0, max, scale });
    }
    return found;
  }

  private values(): ReadonlyMap<string, FloatTensor> {
    const { parameters, statistics } = this.program;
    const { averages } = this.current;
    const averaged = this.program.averageDecay !== undefined;
    return new Map([
      ...unpack(parameters, averaged ? averages.subarray(0, parameters.length) : this.current.parameters),
      ...unpack(statistics, averaged ? averages.subarray(parameters.length) : this.current.statistics),
    ]);
  }

  release(): Promise<void> {
    return this.session.release();
  }
}

function withScales(program: TrainingProgram, { parameters, ranges, weightScales }: InitialState): Parameters {
  const all = new Map(parameters);
  for (const { name, shape } of program.parameters.slots) {
    if (!isScaleSlot(name)) continue;
    const [activation, weight] = ['activation-scale:', 'weight-scale:'].map((kind) =>
      name.startsWith(kind) ? name.slice(kind.length) : '',
    ) as [string, string];
    const range = ranges.get(activation);
    const scale = range === undefined ? weightScales?.get(weight) : Float32Array.of(range.scale);
    if (scale !== undefined) all.set(name, floatTensor(shape, scale));
  }
  return all;
}

function joined(left: Float32Array, right: Float32Array): Float32Array {
  const both = new Float32Array(left.length + right.length);
  both.set(left);
  both.set(right, left.length);
  return both;
}
