// A task's metric as one accumulator: head outputs in, values with units and direction out. The formulas live in qat/metrics.
import type { Dataset } from '../../data/dataset.ts';
import { boxCentres, boxTarget, maskTarget } from '../../data/targets.ts';
import { CentreMapPrecision } from '../../qat/metrics/centre-map.ts';
import { MeanIou } from '../../qat/metrics/mean-iou.ts';
import type { MetricResult } from '../../qat/metrics/metric.ts';
import type { FloatTensor, Tensor } from '../../support/tensor.ts';
import { floatTensor } from '../../support/tensor.ts';
import type { TaskSettings } from './settings.ts';
import { targetsFor } from './tasks.ts';

export interface Measurement extends MetricResult {
  readonly units: { readonly [metric: string]: string };
  readonly higherIsBetter: { readonly [metric: string]: boolean };
}

export interface Meter {
  /** `output` may hold more images than `indices`: the padding of a last batch. */
  add(output: Tensor, indices: Uint32Array): void;
  finish(): Measurement;
}

export function meterFor(task: TaskSettings, dataset: Dataset): Meter {
  switch (task.metric.kind) {
    case 'centre-map': {
      const { distance, maxDetections } = task.metric;
      const precision = new CentreMapPrecision({
        classes: boxTarget(dataset, task.target).classes,
        stride: task.stride,
        distance,
        ...(maxDetections === undefined ? {} : { most: maxDetections }),
      });
      return {
        add: (output, indices) => {
          precision.add(
            firstImages(output, indices.length),
            boxCentres(dataset, indices, task.target),
            indices,
            indices.length,
          );
        },
        finish: () => fractions(precision.finish()),
      };
    }
    case 'miou': {
      const target = maskTarget(dataset, task.target);
      const iou = new MeanIou({ classes: target.classes, ignore: target.ignore });
      return {
        add: (output, indices) => {
          iou.add(firstImages(output, indices.length), targetsFor(dataset, task, indices), indices, indices.length);
        },
        finish: () => fractions(iou.finish()),
      };
    }
  }
}

function fractions(result: MetricResult): Measurement {
  const names = Object.keys(result.values);
  return {
    ...result,
    units: Object.fromEntries(names.map((name) => [name, 'fraction'])),
    higherIsBetter: Object.fromEntries(names.map((name) => [name, true])),
  };
}

/** Without the padding of a last batch. */
function firstImages({ shape, data }: Tensor, count: number): FloatTensor {
  const each = data.length / (shape[0] as number);
  return floatTensor([count, ...shape.slice(1)], (data as Float32Array).subarray(0, count * each));
}
