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
import type { FloatTensor, Tensor } from '../../support/tensor.ts';
import { floatTensor } from '../../support/tensor.ts';
import type { MetricSettings, TaskSettings } from './settings.ts';

export interface Meter {
  /** `output` may hold more images than `indices`: the padding of a last batch. */
  add(output: Tensor, indices: Uint32Array): void;
  finish(): MetricResult;
}

/** Undefined for `sqnr`, which compares with the float model and not with a target: see measure.ts. */
export function meterFor(task: TaskSettings, dataset: Dataset): Meter | undefined {
  const { metric } = task;
  switch (metric.kind) {
    case 'centre-map':
      return detectionMeter(task, dataset, metric);
    case 'miou': {
      const { classes, ignore } = maskTarget(dataset, task.target);
      const { kind: _, ...settings } = metric;
      const iou = new MeanIou({ classes, ignore, ...settings });
      return meter(iou, dataset, { form: 'mask', target: task.target, stride: task.stride });
    }
    case 'classification': {
      const { kind: _, ...settings } = metric;
      const { classes } = classTarget(dataset, task.target);
      return meter(new Classification({ classes, ...settings }), dataset, {
        form: 'class',
        target: task.target,
      });
    }
    case 'regression': {
      const { kind: _, ...settings } = metric;
      const { classes: channels } = valuesTarget(dataset, task.target);
      const request = { form: 'values', target: task.target, stride: task.stride } as const;
      return meter(new Regression({ channels, ...settings }), dataset, request);
    }
    case 'sqnr':
      return undefined;
  }
}

function detectionMeter(
  { target, stride }: TaskSettings,
  dataset: Dataset,
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
    add: (output, indices) => {
      const truths = boxCentres(dataset, indices, target);
      precision.add(firstImages(output, indices.length), truths, indices, indices.length);
    },
    finish: () => precision.finish(),
  };
}

interface Accumulator<Target extends Tensor> {
  add(output: FloatTensor, targets: Target, images: ArrayLike<number>, valid: number): void;
  finish(): MetricResult;
}

/** A metric that compares with a target tensor. */
function meter<Target extends Tensor>(to: Accumulator<Target>, dataset: Dataset, request: TargetRequest): Meter {
  return {
    add: (output, indices) => {
      const targets = buildTargets(dataset, indices, request) as Target;
      to.add(firstImages(output, indices.length), targets, indices, indices.length);
    },
    finish: () => to.finish(),
  };
}

/** Without the padding of a last batch. */
export function firstImages({ shape, data }: Tensor, count: number): FloatTensor {
  const each = data.length / (shape[0] as number);
  return floatTensor([count, ...shape.slice(1)], (data as Float32Array).subarray(0, count * each));
}
