// A job's failure on its way out, and the kernel's own refusals in the words of the job protocol.
import { DataError } from '../../data/data-error.ts';
import type { JobFailure } from '../../events/job-protocol.ts';
import { GradientError } from '../../qat/autodiff/differentiate.ts';
import { NetworkError } from '../../qat/network/network.ts';
import { ExportError } from '../../qat/export/qdq.ts';
import { MetricError } from '../../qat/metrics/metric.ts';
import { OnnxError } from '../../qat/onnx/codec.ts';
import { UnsupportedModelError } from '../../qat/onnx/normalise.ts';
import { LoadError } from '../../qat/quantize/checkpoint.ts';
import { RuntimeError } from '../../qat/runtime/onnxruntime.ts';

export class JobError extends Error {
  override readonly name = 'JobError';
  readonly failure: JobFailure;

  constructor(failure: JobFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** Anything that is not one of the known refusals is a bug of headgate and is reported as such. */
export function failureOf(cause: unknown): JobFailure {
  if (cause instanceof JobError) return cause.failure;
  if (cause instanceof DataError)
    return { reason: 'data', message: cause.message, ...(cause.remedy === undefined ? {} : { remedy: cause.remedy }) };
  if (cause instanceof UnsupportedModelError)
    return {
      reason: 'unsupported-model',
      message: cause.message,
      remedy: 'Import the float model up to this node, or replace the node.',
    };
  if (cause instanceof OnnxError)
    return {
      reason: 'corrupt-onnx',
      message: cause.message,
      remedy: 'Export the model again, or check the file with onnx.checker.',
    };
  if (cause instanceof LoadError)
    return {
      reason: 'load-order',
      message: cause.message,
      remedy:
        'Link the stage that makes what is needed here: float before prepare, calibrated or QAT after it, heads on their own backbone.',
    };
  if (cause instanceof NetworkError)
    return {
      reason: 'model',
      message: cause.message,
      remedy: 'Name other boundary or output tensors, or change the model; `headgate inspect FILE` lists its tensors.',
    };
  if (cause instanceof MetricError)
    return {
      reason: 'metric-not-finite',
      message: cause.message,
      remedy: 'Look at the training before it: a lower learning rate or a warm-up, or data without ground truth.',
    };
  if (cause instanceof ExportError)
    return { reason: 'export', message: cause.message, remedy: 'Choose 4, 8 or 16 bits in the profile.' };
  if (cause instanceof GradientError)
    return {
      reason: 'gradient',
      message: cause.message,
      remedy: 'Freeze the part of the model that holds this node, or cut the model before it.',
    };
  if (cause instanceof RuntimeError)
    return {
      reason: 'runtime',
      message: `onnxruntime refused the graph: ${cause.message}`,
      remedy: 'Check the model with onnx.checker; if it is sound, this is a bug in headgate.',
    };
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  return {
    reason: 'internal',
    message: `this is a bug in headgate: ${cause instanceof Error ? cause.message : String(cause)}`,
    details: text,
  };
}
