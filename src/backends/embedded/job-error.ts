// A job's failure on its way out, and the kernel's own refusals in the words of the job protocol.
import { DataError } from '../../data/data-error.ts';
import type { OwnJobFailure } from '../../events/job-protocol.ts';
import { jobReasons, type JobReason } from '../../events/job-reasons.ts';
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
import { Refusal } from '../../support/refusal.ts';

export class JobError extends Error {
  override readonly name = 'JobError';
  readonly failure: OwnJobFailure;

  constructor(failure: OwnJobFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** The kernel's refusals in the words of the table; a class stands before the one it extends. */
const refusals: readonly (readonly [error: abstract new (...parameters: never[]) => Error, reason: JobReason])[] = [
  [UnsupportedModelError, 'unsupported-model'],
  [OnnxError, 'corrupt-onnx'],
  [LoadError, 'load-order'],
  [NetworkError, 'model'],
  [MetricError, 'metric-not-finite'],
  [ExportError, 'export'],
  [ObserverError, 'observer'],
  [GradientError, 'gradient'],
  [RuntimeError, 'runtime'],
];

/** Anything that is not one of the known refusals is a bug of headgate and is reported as such. */
export function failureOf(cause: unknown): OwnJobFailure {
  if (cause instanceof JobError) return withRemedy(cause.failure);
  const message = cause instanceof Error ? cause.message : String(cause);
  if (outOfMemory(cause))
    return withRemedy({ reason: 'out-of-memory', message: `there was not enough memory: ${message}` });
  if (cause instanceof DataError) return withRemedy({ reason: 'data', message }, cause.remedy);
  const refusal = refusals.find(([error]) => cause instanceof error);
  if (refusal !== undefined) {
    const [, reason] = refusal;
    return withRemedy(
      {
        reason,
        message: reason === 'runtime' ? `onnxruntime refused the graph: ${message}` : message,
      },
      cause instanceof Refusal ? cause.remedy : undefined,
    );
  }
  const remedy = machineRemedy(cause);
  if (remedy !== undefined) return { reason: 'machine', message, remedy };
  return {
    reason: 'internal',
    message: `this is a bug in headgate: ${message}`,
    details: cause instanceof Error ? (cause.stack ?? message) : message,
  };
}

/** Whoever gives a failure knows its cause best; the table's remedy stands for all causes of its reason. */
function withRemedy(failure: OwnJobFailure, ofCause?: string): OwnJobFailure {
  return { remedy: ofCause ?? jobReasons[failure.reason].remedy, ...failure };
}

/** The words in which onnxruntime and V8 say that memory is out: their errors have neither a class nor a code of their own. */
const NO_MEMORY = /\bbad_alloc\b|Failed to allocate memory|(?:Array buffer|ArrayBuffer|typed array) allocation failed/i;

function outOfMemory(cause: unknown): boolean {
  return (cause instanceof RuntimeError || cause instanceof RangeError) && NO_MEMORY.test(cause.message);
}
