// Failures as journals of the first form hold them; closed, as the form is.
import { firstFormVerdict } from './first-form-verdict.ts';
import { anything, count, fields, listOf, nullOr, number, tagged, text } from '../support/shape.ts';

const ended = { exitCode: nullOr(number), signal: nullOr(text), stderrTail: text };

export const firstFormFailure = tagged('reason', {
  'job-failed': fields({
    failure: fields({ reason: text, message: text }, { remedy: text, details: anything }),
  }),
  'command-exited': fields(ended),
  'command-not-found': fields({ command: text }, { code: text }),
  'result-missing': fields(ended),
  'result-malformed': fields({ problem: text }),
  'output-missing': fields({ port: text, path: text }),
  'output-escapes': fields({ port: text, path: text }),
  'timed-out': fields({ timeoutMs: number }),
  'metric-missing': fields({ metric: text, available: listOf(text) }),
  'metric-not-finite': fields({ metric: text, value: text }),
  'metrics-malformed': fields({ port: text, problem: text }),
  'reference-not-positive': fields({ metric: text, value: number }),
  'unit-mismatch': fields({ metric: text, unit: text, referenceUnit: text }),
  'replicates-missing': fields({ metric: text, whose: text }),
  'replicates-unpaired': fields({ metric: text, field: text, value: text, referenceValue: text }),
  'replicates-too-few': fields({ count, confidence: number }),
  'replicates-undefined': fields({ metric: text, undefinedCount: count, count }),
  'expression-failed': fields({ expression: text, problem: text }),
  'gate-failed': fields({ case: text, verdict: firstFormVerdict }),
  'file-missing': fields({ name: text, path: text }),
  'file-unusable': fields({ name: text, path: text, problem: text }),
  'file-changed': fields({ name: text, path: text }),
  'input-modified': fields({ port: text, from: text, digest: text }),
  'variable-missing': fields({ names: listOf(text) }),
  'secret-too-short': fields({ name: text, shortest: count }),
  'secret-in-output': fields({ port: text, path: text, secret: text }),
  'object-damaged': fields({ port: text, digest: text, times: count }),
  'settings-invalid': fields({ problem: text }),
});
