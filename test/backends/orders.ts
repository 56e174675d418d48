// The jobs of the tiny two-head network, as the engine would order them: settings complete, inputs to be filled in.
import type { JsonObject } from '../../src/support/json.ts';
import { BOX_CLASSES, MASK_CLASSES, SIZE } from './tiny-data.ts';
import type { JobOrder } from './worker-rig.ts';

export type Task = 'detection' | 'segmentation';
export type Inputs = NonNullable<JobOrder['inputs']>;

export const BATCH = 16;
export const TASKS: readonly Task[] = ['detection', 'segmentation'];

export const taskSettings: { readonly [task in Task]: JsonObject } = {
  detection: {
    name: 'detection',
    head: 'detection',
    target: 'boxes',
    stride: 4,
    loss: { kind: 'focal-heatmap' },
    metric: { kind: 'centre-map', distance: 4 },
  },
  segmentation: {
    name: 'segmentation',
    head: 'segmentation',
    target: 'mask',
    stride: 2,
    loss: { kind: 'cross-entropy', ignore: 255 },
    metric: { kind: 'miou' },
  },
};

export const w8a8: JsonObject = { weights: { bits: 8 }, activations: { bits: 8 } };
export const w8a16: JsonObject = { weights: { bits: 8 }, activations: { bits: 16 } };
export const w4a4: JsonObject = {
  weights: { bits: 4 },
  activations: { bits: 4, unsignedAfterRelu: true },
  firstLast: { bits: 8 },
};

export function training(epochs: number, learningRate: number): JsonObject {
  return {
    epochs,
    batch: BATCH,
    learningRate,
    schedule: { kind: 'cosine', final: 0.1 },
    optimizer: { kind: 'adamw', weightDecay: 0.0001 },
  };
}

export const modelOrder: JobOrder = {
  kind: 'model',
  settings: {
    architecture: 'depthwise-separable',
    input: [1, SIZE, SIZE],
    width: 4,
    heads: {
      detection: { kind: 'heatmap', classes: BOX_CLASSES.length, stride: 4 },
      segmentation: { kind: 'dense', classes: MASK_CLASSES.length, stride: 2 },
    },
  },
};

export function train(
  scopes: readonly ('backbone' | 'head')[],
  task: Task,
  inputs: Inputs,
  more: JsonObject = {},
): JobOrder {
  return {
    kind: 'train',
    settings: { train: [...scopes], task: taskSettings[task], training: training(1, 0.01), ...more },
    inputs,
  };
}

export function calibrate(scope: 'backbone' | 'head', task: Task, inputs: Inputs, more: JsonObject = {}): JobOrder {
  return {
    kind: 'calibrate',
    settings: {
      scope,
      task: taskSettings[task],
      profile: w8a8,
      observer: { kind: 'min-max' },
      batches: 2,
      batch: BATCH,
      ...more,
    },
    inputs,
  };
}

/** @param objective weights of the tasks whose frozen heads a backbone is trained through. */
export function qat(
  scope: 'backbone' | 'head',
  task: Task,
  inputs: Inputs,
  more: JsonObject = {},
  objective: readonly Task[] = [task],
): JobOrder {
  return {
    kind: 'qat',
    settings: {
      scope,
      task: taskSettings[task],
      tasks: objective.map((name) => taskSettings[name]),
      profile: w8a8,
      training: training(1, 0.002),
      activationScales: 'follow',
      averagingConstant: 0.01,
      bn: 'train',
      objective: { tasks: Object.fromEntries(objective.map((name) => [name, 1])), distill: 0 },
      ...more,
    },
    inputs,
  };
}

/** Joint QAT of the backbone and all heads. */
export function qatOfAll(inputs: Inputs, more: JsonObject = {}): JobOrder {
  return {
    kind: 'qat',
    settings: {
      scope: 'all',
      tasks: TASKS.map((task) => taskSettings[task]),
      profile: w8a8,
      training: training(1, 0.002),
      activationScales: 'follow',
      averagingConstant: 0.01,
      bn: 'train',
      objective: { tasks: Object.fromEntries(TASKS.map((task) => [task, 1])), distill: 0 },
      ...more,
    },
    inputs,
  };
}

export function finetune(task: Task, inputs: Inputs, more: JsonObject = {}): JobOrder {
  return {
    kind: 'finetune',
    settings: { task: taskSettings[task], training: training(1, 0.002), distill: 0, ...more },
    inputs,
  };
}

export function validate(
  task: Task,
  quantized: readonly ('backbone' | 'head')[],
  inputs: Inputs,
  more: JsonObject = {},
): JobOrder {
  return {
    kind: 'validate',
    settings: { task: taskSettings[task], quantized: [...quantized], runtime: 'reference', batch: BATCH, ...more },
    inputs,
  };
}

export function merge(inputs: Inputs): JobOrder {
  return {
    kind: 'merge',
    settings: { batch: BATCH, probe: 32, tasks: TASKS.map((task) => taskSettings[task]) },
    inputs,
  };
}

export function exportOrder(inputs: Inputs): JobOrder {
  return {
    kind: 'export',
    settings: { batch: BATCH, probe: 32, tasks: TASKS.map((task) => taskSettings[task]) },
    inputs,
  };
}

export function analyze(scope: 'backbone' | 'head', task: Task, inputs: Inputs, more: JsonObject = {}): JobOrder {
  return {
    kind: 'analyze',
    settings: {
      scope,
      task: taskSettings[task],
      profile: w8a8,
      images: 32,
      batch: BATCH,
      observer: { kind: 'min-max' },
      ...more,
    },
    inputs,
  };
}
