// Reasons for which the engine calls a stage failed, in the form of the table of a job's own reasons (job-reasons.ts), and
// what both tables say of one failure: the words that `retry.on` may name, and whether waiting can help.
import type { StageFailure } from './failures.ts';
import type { JobFailure } from './job-protocol.ts';
import { jobReason, jobReasonWords, type ReasonWords } from './job-reasons.ts';

function lasting(meaning: string, remedy: string): ReasonWords {
  return { meaning, remedy, mayPass: false };
}

function passing(meaning: string, remedy: string): ReasonWords {
  return { meaning, remedy, mayPass: true };
}

export const stageReasons: { readonly [reason in StageFailure['reason']]: ReasonWords } = {
  'job-failed': passing(
    'The job ended by itself and told why; its own reason decides whether it is tried again.',
    'see the reason that the job gave, in the table of job reasons',
  ),
  'command-exited': passing(
    'The command ended with another exit code than 0, or by a signal.',
    'run it by hand in its job folder; stdout.log and stderr.log are there',
  ),
  'command-not-found': lasting('The program could not be started.', 'install it, or give its path in "argv"'),
  'result-missing': passing(
    'The job ended and left no result.json.',
    'its folder holds job.json and what it printed; out of memory is a usual reason for SIGKILL',
  ),
  'result-malformed': passing("The job's result.json cannot be used.", 'see docs/job-protocol.md'),
  'output-missing': lasting(
    'A declared output was not written.',
    'the program must write it where {output:PORT} in its arguments says, below {outputs}',
  ),
  'output-escapes': lasting(
    "An output is not inside the job's out folder.",
    'write the file itself, not a link or a path that leaves the folder',
  ),
  'output-unusable': lasting(
    'An output holds something that cannot be kept and given back: a pipe, a socket, a device, a name that is not UTF-8.',
    'leave it out of the output, or write it elsewhere',
  ),
  'timed-out': passing(
    'The stage took longer than its timeout.',
    'raise the stage\'s "timeout"; where it wrote a resume state, the next run goes on from there',
  ),
  'metric-missing': lasting('A metric that is asked for was not measured.', 'name one of the measured metrics'),
  'metric-not-finite': lasting(
    'A metric is infinite or no number.',
    'no gate can judge it; look at the training that produced it',
  ),
  'metrics-malformed': lasting('A metrics output does not have the form of one.', 'see docs/gates.md for the form'),
  'reference-not-positive': lasting(
    'Percent of a reference that is not positive means nothing.',
    'compare with "atLeast", "atMost" or "maxDegradation" instead, or look at the reference',
  ),
  'unit-mismatch': lasting(
    'A metric and its reference are in different units.',
    'both must be measured in the same unit',
  ),
  'replicates-missing': lasting(
    'A gate asks for confidence in metrics that were measured without bootstrap replicates.',
    'measure with "bootstrap": {"count": 500}, or leave "confidence" out',
  ),
  'replicates-unpaired': lasting(
    'The bootstrap replicates of the metrics and of the reference were not drawn alike.',
    'measure both on the same images, with the same "bootstrap" settings',
  ),
  'replicates-too-few': lasting(
    'There are too few bootstrap replicates for the confidence that is asked for.',
    'raise "bootstrap.count"',
  ),
  'replicates-undefined': lasting(
    'In too many bootstrap replicates the margin is no number.',
    'so few images hold the objects that some samples have none; measure on more images, or leave "confidence" out',
  ),
  'expression-failed': lasting(
    'An expression could not be decided.',
    'has(metrics.name) asks whether a metric is there; one that takes too long needs a simpler pattern, or fewer macros',
  ),
  'gate-implausible': lasting(
    'What the gate compares is not as it expects: another reference, or a candidate that is too good.',
    'look for a wrong reference, data that was trained on, or an expectation that is out of date; a case with "implausible": true goes on from there',
  ),
  'gate-failed': lasting(
    'The gate chose a case that counts as a failure.',
    'what was measured stays cached; more iterations or another threshold go on from there',
  ),
  'file-missing': lasting('A file that the stage names does not exist.', 'paths are relative to --root'),
  'file-unusable': lasting(
    'A file that the stage names cannot be read to an end.',
    'only files, and folders of them, can be inputs',
  ),
  'file-changed': lasting(
    'A file that the stage names was edited while the stage ran.',
    'run again; the outputs were not kept',
  ),
  'input-changed': passing(
    'What the stage read was written into while it ran, by it or by another stage that read the same.',
    'nothing: the stage runs again on copies, where the one that writes is found by name',
  ),
  'input-modified': lasting(
    'The program changed an input that another stage made.',
    'inputs are read-only: copy what is to be changed; nobody else reads what was changed',
  ),
  'variable-missing': lasting(
    'An environment variable that the stage declares is not set.',
    'set it, or give it a "default" where the stage declares it under "env"',
  ),
  'secret-too-short': lasting(
    'A secret is so short that it cannot be told from ordinary text.',
    'it could not be told from ordinary text and so not be kept out of logs',
  ),
  'secret-in-output': lasting('An output holds a secret.', 'outputs are kept and handed on: leave it out of them'),
  'object-damaged': lasting(
    'An input was found damaged again and again, even after it was made again.',
    'look at the disk under .headgate/ (smartctl, fsck)',
  ),
  'settings-invalid': lasting('The settings of the stage cannot be carried out.', 'change the setting that is named'),
  'override-damaged': lasting(
    'The file of a decision that a person took in place of the gate is damaged.',
    'decide again with `headgate override`, or let the measured case count with `headgate override STAGE --remove`',
  ),
  'machine-problem': passing(
    'The system refused something that the engine did for the stage: a full disk, a permission, a limit.',
    'see what the system said; what the stage had not finished was not kept',
  ),
  internal: lasting(
    'The engine itself failed while it worked on the stage.',
    'this is a bug in headgate; please report it with the lines above',
  ),
};

const stageWords = Object.keys(stageReasons);

/** Every word that `retry.on` may hold for any stage; a package's kinds have words of their own beside them. */
export const retryWords: readonly string[] = [
  ...stageWords.toSorted(),
  ...jobReasonWords.map((word) => `job-failed:${word}`),
];

/** The words of `retry.on` that name this failure, the narrower first. */
export function reasonsOf(failure: StageFailure): readonly string[] {
  return failure.reason === 'job-failed' ? [`job-failed:${failure.failure.reason}`, 'job-failed'] : [failure.reason];
}

/** Reasons that a package's kind declares beside headgate's own. */
export type OwnReasons = { readonly [word: string]: ReasonWords } | undefined;

/** What the tables say of a failure; of a job's word that nobody declared, what they say of `job-failed` itself. */
export function wordsOf(failure: StageFailure, ownReasons: OwnReasons = {}): ReasonWords {
  if (failure.reason !== 'job-failed') return stageReasons[failure.reason];
  const { reason } = failure.failure;
  return jobReason(reason) ?? ownWords(reason, ownReasons) ?? stageReasons['job-failed'];
}

/** The failure with the remedy that its package declares, where its job told none: nobody knows the package later. */
export function withOwnRemedy(failure: JobFailure, ownReasons: OwnReasons = {}): JobFailure {
  const remedy = ownWords(failure.reason, ownReasons)?.remedy;
  return remedy === undefined ? failure : { remedy, ...failure };
}

function ownWords(word: string, ownReasons: NonNullable<OwnReasons>): ReasonWords | undefined {
  return Object.hasOwn(ownReasons, word) ? ownReasons[word] : undefined;
}
