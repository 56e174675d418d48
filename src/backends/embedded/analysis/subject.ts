// What an analysis looks at: one scope of a network, through the heads that stand on it, on the first images of a data set;
// and what a way of quantising it does to their outputs, compared with the float scope's.
import { evaluationBatches, ImageBatcher } from '../../../data/batches.ts';
import type { Dataset } from '../../../data/dataset.ts';
import { Distortion, sqnrOf } from '../../../qat/analysis/distortion.ts';
import type { Network } from '../../../qat/network/network.ts';
import type { OnlyQuantisers, ScopeForward } from '../../../qat/network/reference.ts';
import type { QuantState } from '../../../qat/quantize/checkpoint.ts';
import type { Tensor } from '../../../support/tensor.ts';
import { ForwardRunner } from '../forward-runner.ts';
import type { JobContext } from '../job-context.ts';
import { JobError } from '../job-error.ts';
import type { TaskSettings } from '../settings.ts';
import { meterFor } from '../task-metric.ts';
import type { Meter } from '../task-metric.ts';
import { checkOutputFits, outputOf } from '../tasks.ts';

export interface SubjectSettings {
  readonly network: Network;
  /** The scope that is analysed. */
  readonly scope: string;
  /** Every scope that runs, the analysed one in FLOAT. */
  readonly scopes: ReadonlyMap<string, ScopeForward>;
  readonly dataset: Dataset;
  readonly task: TaskSettings;
  readonly images: number;
  readonly batch: number;
  readonly threads: number;
}

/** What quantisation did to the outputs of the heads. */
export interface Effect {
  /** Error power over signal power, the mean over the outputs. */
  readonly noise: number;
  readonly outputs: ReadonlyMap<string, Distortion>;
  /** The task's primary metric; undefined where the data carries no labels for it. */
  readonly metric: number | undefined;
}

/** The engine asked the job to stop. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

export class Subject {
  readonly settings: SubjectSettings;
  /** Of the heads that run. */
  readonly outputs: readonly string[];
  /** Name and direction of the task's primary metric, and its value in float. */
  metric: { readonly name: string; readonly float: number; readonly higherIsBetter: boolean } | undefined;
  private readonly context: JobContext;
  private readonly reference: ReadonlyMap<string, Tensor>[] = [];

  private constructor(context: JobContext, settings: SubjectSettings) {
    this.context = context;
    this.settings = settings;
    const { network, scopes } = settings;
    this.outputs = Object.entries(network.scopes.heads).flatMap(([head, { outputs }]) =>
      scopes.has(head) ? outputs : [],
    );
  }

  /** Runs the float scope once and keeps what the heads give. */
  static async start(context: JobContext, settings: SubjectSettings): Promise<Subject> {
    const subject = new Subject(context, settings);
    const meter = subject.meter();
    const { network, task, dataset } = settings;
    await subject.each(settings.scopes, undefined, subject.outputs, (seen, indices, _, first) => {
      subject.reference.push(new Map([...seen].map(([name, tensor]) => [name, copied(tensor)])));
      const output = seen.get(outputOf(network, task)) as Tensor;
      if (first && meter !== undefined) checkOutputFits(task, dataset, output.shape);
      meter?.add(output, indices);
    });
    if (meter !== undefined) {
      const { primary, values, higherIsBetter } = meter.finish();
      subject.metric = {
        name: primary,
        float: finite(`metric "${primary}" of the float model`, values[primary] ?? NaN),
        higherIsBetter: higherIsBetter[primary] ?? true,
      };
    }
    return subject;
  }

  /**
   * @param quant formats and scales of the analysed scope.
   * @param quantisers those of the scope that are on; by default all, with biases on their integer grid.
   */
  async effectOf(quant: QuantState, quantisers?: readonly string[]): Promise<Effect> {
    const { network, scope, scopes, task } = this.settings;
    const { checkpoint } = scopes.get(scope) as ScopeForward;
    const quantised: ScopeForward = {
      state: 'VALIDATION',
      checkpoint: { ...checkpoint, state: 'calibrated', quant },
    };
    const meter = this.meter();
    const outputs = new Map(this.outputs.map((name) => [name, new Distortion()]));
    const only = quantisers && { scopes: new Set([scope]), quantisers: new Set(quantisers) };
    await this.each(new Map([...scopes, [scope, quantised]]), only, this.outputs, (seen, indices, batch) => {
      for (const [name, distortion] of outputs) {
        const [left, right] = [this.reference[batch]?.get(name), seen.get(name)] as [Tensor, Tensor];
        const valid = (left.data.length / (left.shape[0] as number)) * indices.length;
        distortion.add((left.data as Float32Array).subarray(0, valid), (right.data as Float32Array).subarray(0, valid));
      }
      meter?.add(seen.get(outputOf(network, task)) as Tensor, indices);
    });
    const noise = [...outputs.values()].reduce((sum, distortion) => sum + distortion.noise, 0) / outputs.size;
    const measured = meter?.finish();
    return {
      noise: finite('the noise at the outputs', noise),
      outputs,
      metric: measured === undefined ? undefined : measured.values[measured.primary],
    };
  }

  /** Runs the scopes, the analysed one in FLOAT, and shows these values batch by batch; images of the padding included. */
  observe(values: readonly string[], see: (seen: ReadonlyMap<string, Tensor>) => void): Promise<void> {
    return this.each(this.settings.scopes, undefined, values, see);
  }

  /** How much worse than float the metric is. */
  dropOf({ metric }: Effect): number | null {
    if (this.metric === undefined || metric === undefined) return null;
    return (this.metric.float - metric) * (this.metric.higherIsBetter ? 1 : -1);
  }

  private async each(
    scopes: ReadonlyMap<string, ScopeForward>,
    only: OnlyQuantisers | undefined,
    values: readonly string[],
    see: (seen: ReadonlyMap<string, Tensor>, indices: Uint32Array, batch: number, first: boolean) => void,
  ): Promise<void> {
    const { network, dataset, images, batch, threads } = this.settings;
    const runner = await ForwardRunner.start({
      network,
      scopes,
      outputs: values,
      batch,
      threads,
      ...(only === undefined ? {} : { only }),
    });
    const batcher = new ImageBatcher(dataset);
    for (const [index, { indices, valid }] of evaluationBatches(Math.min(images, dataset.count), batch).entries()) {
      if (this.context.interrupted()) throw new Interrupted();
      const seen = await runner.run(new Map([[network.input.name, batcher.images(indices)]]));
      see(seen, indices.subarray(0, valid), index, index === 0);
    }
    await runner.release();
  }

  private meter(): Meter | undefined {
    const { task, dataset } = this.settings;
    return dataset.targets.has(task.target) ? meterFor(task, dataset) : undefined;
  }
}

/** As the report has it: decibels and cosine per output, the worst of them in front. */
export function effectJson(effect: Effect, drop: number | null) {
  const outputs = Object.fromEntries(
    [...effect.outputs].map(([name, { noise, cosine }]) => [name, { sqnr: sqnrOf(noise), cosine }]),
  );
  const cosine = Math.min(...[...effect.outputs.values()].map((distortion) => distortion.cosine));
  return { sqnr: sqnrOf(effect.noise), cosine, outputs, metric: effect.metric ?? null, drop };
}

/** The runtime's buffers are its own. */
function copied(tensor: Tensor): Tensor {
  return { dtype: 'float32', shape: tensor.shape, data: Float32Array.from(tensor.data as Float32Array) };
}

function finite(what: string, value: number): number {
  if (Number.isFinite(value)) return value;
  throw new JobError({
    reason: 'metric-not-finite',
    message: `${what} is ${value}`,
    remedy: "Look for NaN in the heads' outputs, or for a split without ground truth.",
  });
}
