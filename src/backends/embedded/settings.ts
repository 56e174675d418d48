// The job settings as the jobs read them. The schemas under `schemas/` have checked them; these are their types.
import type { JsonObject } from '../../support/json.ts';
import type { BootstrapSettings } from '../../qat/metrics/bootstrap.ts';
import type { MeanIouSettings } from '../../qat/metrics/mean-iou.ts';
import type { Observer } from '../../qat/quantize/observers.ts';
import type { Profile } from '../../qat/quantize/scheme.ts';
import type { OptimizerSettings } from '../../qat/train/optimizer.ts';
import type { FreezePoint, Schedule } from '../../qat/train/schedule.ts';
import type { Augmentation } from '../../data/augment.ts';
import type { ParameterRole } from '../../qat/network/network.ts';

export interface TaskSettings {
  readonly name: string;
  /** Scope of the head; by default the task's name. */
  readonly head?: string;
  /** Name of the target in the data set. */
  readonly target: string;
  readonly stride: number;
  readonly classes?: number;
  /** null where the task is never trained on labels. */
  readonly loss: LossSettings | null;
  readonly metric: MetricSettings;
}

export type MetricSettings =
  | {
      readonly kind: 'centre-map';
      /** In input pixels. */
      readonly distance: number | readonly number[];
      /** Of one image, the best first. */
      readonly maxDetections?: number;
      readonly score?: number;
      readonly primary?: string;
    }
  | ({ readonly kind: 'miou' } & Pick<MeanIouSettings, 'also' | 'primary'>)
  | { readonly kind: 'classification'; readonly topK?: readonly number[]; readonly primary?: string }
  | { readonly kind: 'regression'; readonly unit?: string; readonly primary?: 'rmse' | 'mae' }
  | { readonly kind: 'sqnr' };

export type LossSettings =
  | { readonly kind: 'focal-heatmap' }
  | {
      readonly kind: 'cross-entropy';
      readonly ignore?: number;
      readonly classWeights?: readonly number[];
      readonly labelSmoothing?: number;
    }
  | { readonly kind: 'bce'; readonly positiveWeights?: readonly number[] }
  | { readonly kind: 'focal'; readonly alpha?: number; readonly gamma?: number }
  | { readonly kind: 'dice'; readonly activation?: 'softmax' | 'sigmoid'; readonly smooth?: number }
  | { readonly kind: 'l1' | 'mse' }
  | { readonly kind: 'smooth-l1'; readonly beta?: number }
  /** The graph comes as the input `loss[<task>]`. */
  | { readonly kind: 'onnx' };

export interface TrainingSettings {
  readonly epochs: number;
  readonly batch: number;
  readonly learningRate: number;
  readonly schedule: Schedule;
  readonly optimizer: OptimizerSettings & { readonly decays?: readonly ParameterRole[] };
  /** Largest Euclidean norm of the gradient. */
  readonly clipNorm?: number;
  readonly ema?: { readonly decay: number };
  readonly freezeBatchNormAfter?: FreezePoint;
  readonly augment?: Augmentation;
  /** 0, or left out: the loss may end anywhere. */
  readonly divergenceFactor?: number;
  readonly validation?: ValidationSettings;
}

/** What a training measures while it goes on, and what follows from that. */
export interface ValidationSettings {
  /** Epochs. */
  readonly every: number;
  readonly keep: 'last' | 'best';
  /** Whose metric decides; left out where there is one task. */
  readonly task?: string;
  readonly earlyStopping?: { readonly patience: number; readonly minDelta: number };
}

/** Distance to a teacher's outputs. */
export type DistanceSettings =
  { readonly kind: 'mse' | 'nmse' } | { readonly kind: 'kl'; readonly temperature?: number };

export interface TrainSettings {
  readonly train: readonly ('backbone' | 'head' | 'heads')[];
  /** Left out where all heads are trained. */
  readonly task?: TaskSettings;
  readonly tasks?: readonly TaskSettings[];
  /** Task → weight of its loss, where all heads are trained. */
  readonly weights?: { readonly [task: string]: number };
  readonly training: TrainingSettings;
}

export interface FinetuneSettings {
  readonly task: TaskSettings;
  readonly training: TrainingSettings;
  /** Weight of the distance to the outputs of the head it started from. */
  readonly distill?: number;
  readonly distance?: DistanceSettings;
}

export interface ObserverSettings {
  readonly kind: Observer['kind'];
  readonly averagingConstant?: number;
  readonly percentile?: number;
  readonly candidates?: number;
  /** Of `mix`. */
  readonly of?: readonly ObserverSettings[];
}

export interface CalibrationSetSettings {
  /** Whose calibration data it is. */
  readonly task: string;
  readonly batches: number;
  readonly weight: number;
}

export interface CalibrateSettings {
  readonly scope: 'backbone' | 'head';
  readonly task?: TaskSettings;
  readonly profile: Profile;
  readonly observer: ObserverSettings;
  readonly equalise?: boolean;
  readonly biasCorrection?: boolean;
  /** Of the one set, where `sets` names none. */
  readonly batches: number;
  readonly sets?: readonly CalibrationSetSettings[];
  readonly batch: number;
}

export interface QatSettings {
  readonly scope: 'backbone' | 'head' | 'all';
  readonly task?: TaskSettings;
  readonly tasks?: readonly TaskSettings[];
  readonly profile: Profile;
  readonly training: TrainingSettings;
  readonly activationScales: 'fixed' | 'follow' | 'learned';
  readonly averagingConstant: number;
  readonly freezeObserversAfter?: FreezePoint;
  readonly weightScales?: 'derived' | 'learned';
  /** Learning rate of learned scales over that of the weights. */
  readonly scaleRate?: number;
  readonly straightThrough?: 'masked' | 'inclusive';
  readonly bn: 'train' | 'kept' | 'folded' | 'frozen';
  readonly objective: {
    readonly tasks?: { readonly [task: string]: number };
    readonly distill?: number;
    readonly distance?: DistanceSettings;
  };
}

export type SelfTestName =
  | 'validation-twice'
  | 'state-order'
  | 'float-identity'
  | 'fake-quant'
  | 'zero-learning-rate'
  | 'gradients'
  | 'freeze-proof'
  | 'load-order'
  | 'memory'
  | 'export';

export interface ValidateSettings {
  readonly task: TaskSettings;
  readonly quantized: readonly ('backbone' | 'head')[];
  readonly runtime: 'reference' | 'integer';
  readonly batch: number;
  /** Left out: no replicates. */
  readonly bootstrap?: BootstrapSettings;
  /** Images whose raw outputs are written; left out: none. */
  readonly keepOutputs?: number;
  readonly selfTests?: readonly SelfTestName[];
  readonly role?: string;
}

/** Of `merge` and `export`, which look at all heads at once. */
export interface WholeModelSettings {
  readonly batch: number;
  /** Images of each task's gate data that the proof runs. */
  readonly probe: number;
  readonly tasks: readonly TaskSettings[];
}

export interface ExportSettings extends WholeModelSettings {
  /** Null: chosen by what the model needs. */
  readonly opset: 20 | 21 | null;
  readonly forms?: readonly ('csv' | 'encodings' | 'float' | 'tensorrt')[];
  readonly encodings?: '0.6.1' | '1.0.0';
}

/** The one cast from checked JSON to its type. */
export function settingsOf<T>(settings: JsonObject): T {
  return settings as T;
}

export function headOf(task: TaskSettings): string {
  return task.head ?? task.name;
}
