// A job's failure on its way out, and the kernel's own refusals in the words of the job protocol.
import { DataError } from '../../data/data-error.ts';
import type { JobFailure } from '../../events/job-protocol.ts';
import { GradientError } from '../../qat/autodiff/differentiate.ts';
import { NetworkError } from '../../qat/network/network.ts';
import { ExportError } from '../../qat/export/export-error.ts';
import { MetricError } from '../../qat/metrics/metric.ts';
import { OnnxError } from '../../qat/onnx/codec.ts';
import { UnsupportedModelError } from '../../qat/onnx/unsupported-model.ts';
import { LoadError } from '../../qat/quantize/checkpoint.ts';
import { ObserverError } from '../../qat/quantize/observers.ts';
import { RuntimeError } from '../../qat/runtime/onnxruntime.ts';
import { machineRemedy } from '../../support/machine-problems.ts';

export class JobError extends Error {
  override readonly name = 'JobError';
  readonly failure: JobFailure;

  constructor(failure: JobFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

interface Refusal {
  readonly error: abstract new (...parameters: never[]) => Error;
  readonly reason: string;
  readonly remedy: string;
}

/** The kernel's refusals; a class stands before the one it extends. */
const refusals: readonly Refusal[] = [
  {
    error: UnsupportedModelError,
    reason: 'unsupported-model',
    remedy: 'Import the float model up to this node, or replace the node.',
  },
  {
    error: OnnxError,
    reason: 'corrupt-onnx',
    remedy: 'Export the model again, or check the file with onnx.checker.',
  },
  {
    error: LoadError,
    reason: 'load-order',
    remedy:
      'Link the stage that makes what is needed here: float before prepare, calibrated or QAT after it, heads on their own backbone.',
  },
  {
    error: NetworkError,
    reason: 'model',
    remedy: 'Name other boundary or output tensors, or change the model; `headgate inspect FILE` lists its tensors.',
  },
  {
    error: MetricError,
    reason: 'metric-not-finite',
    remedy: 'Look at the training before it: a lower learning rate or a warm-up, or data without ground truth.',
  },
  {
    error: ExportError,
    reason: 'export',
    remedy: 'Choose a profile that the form can express, or leave the form out.',
  },
  {
    error: ObserverError,
    reason: 'observer',
    remedy: 'Choose another averaging constant or observer.',
  },
  {
    error: GradientError,
    reason: 'gradient',
    remedy: 'Freeze the part of the model that holds this node, or cut the model before it.',
  },
  {
    error: RuntimeError,
    reason: 'runtime',
    remedy: 'Check the model with onnx.checker; if it is sound, this is a bug in headgate.',
  },
];

/** Anything that is not one of the known refusals is a bug of headgate and is reported as such. */
export function failureOf(cause: unknown): JobFailure {
  if (cause instanceof JobError) return cause.failure;
  if (cause instanceof DataError)
    return { reason: 'data', message: cause.message, ...(cause.remedy === undefined ? {} : { remedy: cause.remedy }) };
  const refusal = refusals.find(({ error }) => cause instanceof error);
  if (refusal !== undefined && cause instanceof Error) {
    const { reason, remedy } = refusal;
    const message = reason === 'runtime' ? `onnxruntime refused the graph: ${cause.message}` : cause.message;
    return { reason, message, remedy };
  }
  const remedy = machineRemedy(cause);
  if (remedy !== undefined && cause instanceof Error) return { reason: 'machine', message: cause.message, remedy };
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  return {
    reason: 'internal',
    message: `this is a bug in headgate: ${cause instanceof Error ? cause.message : String(cause)}`,
    details: text,
  };
}
