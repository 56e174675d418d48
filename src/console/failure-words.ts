// What to say about a failed stage: what happened, and what to do about it. Every reason has its words or this does not compile.
import { stageReasons } from '../events/failure-reasons.ts';
import { jobReason } from '../events/job-reasons.ts';
import type { StageFailure } from '../events/failures.ts';
import type { JsonObject } from '../support/json.ts';
import { unreachable } from '../support/result.ts';
import { decidingLines, evidenceWords } from './gate-words.ts';
import { count, duration } from './quantities.ts';

export interface FailureWords {
  readonly message: string;
  readonly help?: string;
  /** What the program printed last, if it says more than the message. */
  readonly output?: string;
}

export function failureWords(failure: StageFailure): FailureWords {
  const { remedy } = stageReasons[failure.reason];
  switch (failure.reason) {
    case 'job-failed': {
      const { reason, message, remedy: ofCause } = failure.failure;
      const help = ofCause ?? jobReason(reason)?.remedy;
      return { message: `${message} (${reason})`, ...(help === undefined ? {} : { help }) };
    }
    case 'command-exited':
      return {
        message: `the command ended ${endWords(failure)}`,
        help: remedy,
        output: failure.stderrTail,
      };
    case 'command-not-found':
      return {
        message: `"${failure.command}" could not be started${startProblem(failure.code)}`,
        help: failure.code === 'E2BIG' ? 'pass long values in a file that the stage names under "files"' : remedy,
      };
    case 'result-missing':
      return {
        message: `the job ended ${endWords(failure)} and left no result.json`,
        help: remedy,
        output: failure.stderrTail,
      };
    case 'result-malformed':
      return { message: `the job's result cannot be used: ${failure.problem}`, help: remedy };
    case 'output-missing':
      return {
        message: `output "${failure.port}" was not written (${failure.path})`,
        help: `the program must write it where {output:${failure.port}} in its arguments says, below {outputs}`,
      };
    case 'output-escapes':
      return {
        message: `output "${failure.port}" is not inside the job's out folder (${failure.path}${failure.problem === undefined ? '' : `: ${failure.problem}`})`,
        help: remedy,
      };
    case 'output-unusable':
      return {
        message: `output "${failure.port}" cannot be kept: ${failure.problem} (${failure.path})`,
        help: remedy,
      };
    case 'timed-out':
      return {
        message: `it took longer than its timeout of ${duration(failure.timeoutMs)}`,
        help: remedy,
      };
    case 'metric-missing':
      return {
        message: `metric "${failure.metric}" is not among the measured ones`,
        help: `measured: ${failure.available.join(', ') || 'none'}`,
      };
    case 'metric-not-finite':
      return {
        message: `metric "${failure.metric}" is ${failure.value}`,
        help: remedy,
      };
    case 'metrics-malformed':
      return { message: `output "${failure.port}" is no metrics file: ${failure.problem}`, help: remedy };
    case 'reference-not-positive':
      return {
        message: `the reference value of "${failure.metric}" is ${failure.value}: percent of it means nothing`,
        help: remedy,
      };
    case 'unit-mismatch':
      return {
        message: `metric "${failure.metric}" is in ${failure.unit}, its reference in ${failure.referenceUnit}`,
        help: remedy,
      };
    case 'replicates-missing':
      return {
        message: `the gate asks for confidence in "${failure.metric}", and its ${failure.whose} ${failure.whose === 'metrics' ? 'have' : 'has'} no bootstrap replicates of it`,
        help: remedy,
      };
    case 'replicates-unpaired':
      return {
        message: `the bootstrap replicates of "${failure.metric}" do not pair with those of its reference: ${failure.field} is ${failure.value} here and ${failure.referenceValue} there`,
        help: remedy,
      };
    case 'replicates-too-few':
      return {
        message: `${count(failure.count, 'replicate')} are too few for a confidence of ${failure.confidence}`,
        help: `raise "bootstrap.count" to at least ${Math.ceil(1 / (1 - failure.confidence) - 1e-9)}`,
      };
    case 'replicates-undefined':
      return {
        message: `the margin of "${failure.metric}" is undefined in ${failure.undefinedCount} of ${failure.count} bootstrap replicates`,
        help: remedy,
      };
    case 'expression-failed':
      return {
        message: `the expression ${failure.expression} could not be decided: ${failure.problem}`,
        help: remedy,
      };
    case 'file-missing':
      return { message: `"${failure.name}" does not exist: ${failure.path}`, help: remedy };
    case 'file-unusable':
      return {
        message: `"${failure.name}" cannot be read: ${failure.problem} (${failure.path})`,
        help: remedy,
      };
    case 'file-changed':
      return {
        message: `"${failure.name}" was edited while the stage ran: ${failure.path}`,
        help: remedy,
      };
    case 'input-modified':
      return {
        message: `it changed its input "${failure.port}", which ${failure.from} made`,
        help: remedy,
      };
    case 'input-changed':
      return {
        message: `its input "${failure.port}", which ${failure.from} made, was written into while it ran`,
        help: remedy,
      };
    case 'variable-missing': {
      const [one, ...others] = failure.names;
      return {
        message: `${others.length === 0 ? `environment variable ${one} is` : `environment variables ${failure.names.join(', ')} are`} not set`,
        help: remedy,
      };
    }
    case 'secret-too-short':
      return {
        message: `secret ${failure.name} has fewer than ${failure.shortest} characters`,
        help: remedy,
      };
    case 'secret-in-output':
      return {
        message: `output "${failure.port}" holds the secret ${failure.secret} (${failure.path})`,
        help: remedy,
      };
    case 'object-damaged':
      return {
        message: `input "${failure.port}" was found damaged ${failure.times} times, even after it was made again`,
        help: remedy,
      };
    case 'gate-implausible':
      return { message: `what the gate compares is implausible: ${gateNumbers(failure.verdict)}`, help: remedy };
    case 'gate-failed':
      return {
        message: `the gate chose "${failure.case}", which counts as a failure: ${gateNumbers(failure.verdict)}`,
        help: remedy,
      };
    case 'settings-invalid':
      return { message: failure.problem };
    case 'override-damaged':
      return { message: `the override of this gate cannot be read: ${failure.path} is damaged`, help: remedy };
    case 'machine-problem':
      return { message: `the system refused: ${failure.problem}`, help: failure.help };
    case 'internal':
      return { message: failure.problem, help: remedy, output: failure.stack };
    default:
      return unreachable(failure);
  }
}

/** `tried 3 times; the first time: …`: undefined for a stage that was tried once. */
export function attemptsWords({
  attempts,
  firstFailure,
}: {
  readonly attempts?: number;
  readonly firstFailure?: StageFailure;
}): string | undefined {
  if (attempts === undefined || attempts < 2) return undefined;
  const first = firstFailure === undefined ? '' : `; the first time: ${failureWords(firstFailure).message}`;
  return `tried ${attempts} times${first}`;
}

function gateNumbers(verdict: JsonObject): string {
  return decidingLines(verdict).map(evidenceWords).join('; ') || 'no case held';
}

function startProblem(code: string | undefined): string {
  if (code === undefined) return '';
  return (
    {
      ENOENT: ': there is no such program',
      EACCES: ': it is no program, or may not be run',
      E2BIG: ': its arguments are too long for the system',
    }[code] ?? ` (${code})`
  );
}

function endWords({ exitCode, signal }: { readonly exitCode: number | null; readonly signal: string | null }): string {
  return signal === null ? `with exit code ${exitCode ?? 'unknown'}` : `by signal ${signal}`;
}
