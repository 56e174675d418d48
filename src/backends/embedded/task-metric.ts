// A task's metric as one accumulator: head outputs in, values out. The formulas live in qat/metrics; here they are given what
// the task says and what the data set knows.
import type { Dataset } from '../../data/dataset.ts';
import { boxCentres, boxTarget, buildTargets, classTarget, maskTarget, valuesTarget } from '../../data/targets.ts';
import type { TargetRequest } from '../../data/targets.ts';
import { CentreMapPrecision } from '../../qat/metrics/centre-map.ts';
import { Classification } from '../../qat/metrics/classification.ts';
import { MeanIou } from '../../qat/metrics/mean-iou.ts';
import type { MetricResult } from '../../qat/metrics/metric.ts';
import { Regression } from '../../qat/metrics/regression.ts';
import { Sqnr } from '../../qat/metrics/sqnr.ts';
import type { FloatTensor, Tensor } from '../../support/tensor.ts';
import { floatTensor } from '../../support/tensor.ts';
import type { Forward } from './probe.ts';
import type { MetricSettings, TaskSettings } from './settings.ts';

export interface Measured {
  /** May hold more images than `indices`: the padding of a last batch. */
  readonly values: ReadonlyMap<string, Tensor>;
  readonly indices: Uint32Array;
  /** What the values were computed from. */
  readonly images: Tensor;
}

export interface Meter {
  add(measured: Measured): void | Promise<void>;
  finish(): MetricResult;
}

/**
 * @param outputs the head's; metrics of labels read the first.
 * @param float the float model: for metrics that compare with it.
 */
export function meterFor(task: TaskSettings, dataset: Dataset, outputs: readonly string[], float?: Forward): Meter {
  const { metric } = task;
  const [output = ''] = outputs;
  switch (metric.kind) {
    case 'centre-map':
      return detectionMeter(task, dataset, output, metric);
    case 'miou': {
      const { classes, ignore } = maskTarget(dataset, task.target);
      const { kind: _, ...settings } = metric;
      const iou = new MeanIou({ classes, ignore, ...settings });
      return meter(iou, dataset, output, { form: 'mask', target: task.target, stride: task.stride });
    }
    case 'classification': {
      const { kind: _, ...settings } = metric;
      const { classes } = classTarget(dataset, task.target);
      return meter(new Classification({ classes, ...settings }), dataset, output, { form: 'class', target: task.target });
    }
    case 'regression': {
      const { kind: _, ...settings } = metric;
      const { classes: channels } = valuesTarget(dataset, task.target);
      const request = { form: 'values', target: task.target, stride: task.stride } as const;
      return meter(new Regression({ channels, ...settings }), dataset, output, request);
    }
    case 'sqnr':
      return noiseMeter(outputs, float);
  }
}

function detectionMeter(
  { target, stride }: TaskSettings,
  dataset: Dataset,
  output: string,
  { distance, maxDetections, score, primary }: Extract<MetricSettings, { readonly kind: 'centre-map' }>,
): Meter {
  const precision = new CentreMapPrecision({
    classes: boxTarget(dataset, target).classes,
    stride,
    distances: typeof distance === 'number' ? [distance] : distance,
    ...(maxDetections === undefined ? {} : { most: maxDetections }),
    ...(score === undefined ? {} : { score }),
    ...(primary === undefined ? {} : { primary }),
  });
  return {
    add: ({ values, indices }) => {
      const truths = boxCentres(dataset, indices, target);
      precision.add(firstImages(values.get(output) as Tensor, indices.length), truths, indices, indices.length);
    },
    finish: () => precision.finish(),
  };
}

interface Accumulator<Target extends Tensor> {
  add(output: FloatTensor, targets: Target, images: ArrayLike<number>, valid: number): void;
  finish(): MetricResult;
}

/** A metric that compares with a target tensor. */
function meter<Target extends Tensor>(
  to: Accumulator<Target>,
  dataset: Dataset,
  output: string,
  request: TargetRequest,
): Meter {
  return {
    add: ({ values, indices }) => {
      const targets = buildTargets(dataset, indices, request) as Target;
      to.add(firstImages(values.get(output) as Tensor, indices.length), targets, indices, indices.length);
    },
    finish: () => to.finish(),
  };
}

function noiseMeter(outputs: readonly string[], float: Forward | undefined): Meter {
  if (float === undefined) throw new Error('the metric compares with the float model, which was not started');
  const sqnr = new Sqnr(outputs);
  const first = (values: ReadonlyMap<string, Tensor>, count: number): ReadonlyMap<string, FloatTensor> =>
    new Map(outputs.map((name) => [name, firstImages(values.get(name) as Tensor, count)]));
  return {
    add: async ({ values, indices, images }) => {
      const reference = await float(images);
      sqnr.add(first(values, indices.length), first(reference, indices.length), indices);
    },
    finish: () => sqnr.finish(),
  };
}

/** Without the padding of a last batch. */
function firstImages({ shape, data }: Tensor, count: number): FloatTensor {
  const each = data.length / (shape[0] as number);
  return floatTensor([count, ...shape.slice(1)], (data as Float32Array).subarray(0, count * each));
}
