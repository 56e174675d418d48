// Runs a compiled training program step by step and owns its state: parameters, moments, statistics, ranges, step count.
// Not for choosing data or rates: the caller feeds both.
import type { FloatTensor, Tensor } from '../../support/tensor.ts';
import { floatTensor } from '../../support/tensor.ts';
import type { Parameters } from '../network/fold.ts';
import type { Range } from '../quantize/checkpoint.ts';
import type { Placement } from '../quantize/placement.ts';
import { scaleOf } from '../quantize/scheme.ts';
import { createSession } from '../runtime/onnxruntime.ts';
import type { Session } from '../runtime/onnxruntime.ts';
import { pack, unpack } from './layout.ts';
import { corrections } from './optimizer.ts';
import type { OptimizerSettings } from './optimizer.ts';
import type { TrainingProgram } from './program.ts';

export interface TrainerState {
  readonly step: number;
  readonly parameters: Float32Array;
  readonly first: Float32Array;
  readonly second: Float32Array;
  readonly statistics: Float32Array;
  readonly ranges: Float32Array;
}

export interface StepRates {
  readonly learningRate: number;
  /** c of `min ← min + c·(cur − min)`; used where activation scales follow. */
  readonly averagingConstant: number;
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
    initial: { readonly parameters: Parameters; readonly ranges: ReadonlyMap<string, Range> },
  ): Promise<Trainer> {
    const session = await createSession(program.model, { threads, optimisation: 'all' });
    const parameters = pack(program.parameters, initial.parameters);
    const ranges = new Map(
      [...initial.ranges].map(([name, { min, max }]) => [name, floatTensor([2], Float32Array.of(min, max))]),
    );
    return new Trainer(session, program, optimizer, {
      step: 0,
      parameters,
      first: new Float32Array(parameters.length),
      second: new Float32Array(parameters.length),
      statistics: pack(program.statistics, initial.parameters),
      ranges: pack(program.ranges, ranges),
    });
  }

  get state(): TrainerState {
    return this.current;
  }

  restore(state: TrainerState): void {
    for (const name of ['parameters', 'first', 'second', 'statistics', 'ranges'] as const) {
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
    };
    const feeds = new Map<string, Tensor>(data);
    for (const [name, value] of Object.entries(vectors)) feeds.set(name, floatTensor([value.length], value));
    for (const [name, value] of Object.entries(scalars)) feeds.set(name, floatTensor([], Float32Array.of(value)));
    for (const name of [...feeds.keys()]) if (!this.session.inputNames.includes(name)) feeds.delete(name);
    const results = await this.session.run(feeds);
    const next = (name: 'parameters' | 'first' | 'second' | 'statistics' | 'ranges'): Float32Array =>
      (results.get(`${name}.next`)?.data as Float32Array | undefined) ?? this.current[name];
    this.current = {
      step: step + 1,
      parameters: next('parameters'),
      first: next('first'),
      second: next('second'),
      statistics: next('statistics'),
      ranges: next('ranges'),
    };
    return new Map(
      [...results]
        .filter(([name]) => name === 'loss' || name.startsWith('loss.'))
        .map(([name, tensor]) => [name, Number(tensor.data[0])]),
    );
  }

  /** Trained parameters and running statistics, by name. */
  parameters(): ReadonlyMap<string, FloatTensor> {
    return new Map([
      ...unpack(this.program.parameters, this.current.parameters),
      ...unpack(this.program.statistics, this.current.statistics),
    ]);
  }

  /** Ranges that followed the activations; empty where scales are fixed. */
  ranges(placement: Placement): ReadonlyMap<string, Range> {
    const found = new Map<string, Range>();
    for (const [value, { data }] of unpack(this.program.ranges, this.current.ranges)) {
      const quantizer = placement.activations.get(value);
      const [min = 0, max = 0] = data;
      if (quantizer !== undefined) found.set(value, { min, max, scale: scaleOf(min, max, quantizer.format) });
    }
    return found;
  }

  release(): Promise<void> {
    return this.session.release();
  }
}
