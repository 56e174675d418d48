// One attempt at one stage's job: inputs verified, folder made, program started and followed, outputs taken into the store.
// Knows nothing of other stages, of retries or of the plan's order.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { withOwnRemedy } from '../events/failure-reasons.ts';
import type { StageFailure } from '../events/failures.ts';
import { JOB_PROTOCOL, type JobEvent, type JobInput, type ProofSummary } from '../events/job-protocol.ts';
import type { PlannedStage } from '../plan/plan.ts';
import { ownEngine } from '../process/engine-identity.ts';
import type { ProcessEnd } from '../process/start-process.ts';
import { updateClaim } from '../store/claims.ts';
import { dropResumeStates, resumeStateOf } from '../store/resume-states.ts';
import type { Store } from '../store/store.ts';
import type { Digest } from '../support/digest.ts';
import type { JsonObject } from '../support/json.ts';
import { onAbort } from '../support/on-abort.ts';
import { redactorOf, type Redactor } from '../support/redaction.ts';
import { unreachable } from '../support/result.ts';
import { collectOutputs, type CollectedOutputs } from './collect-outputs.ts';
import type { ResolvedInput } from './edges.ts';
import { followJobEvents } from './follow-job-events.ts';
import { environmentOf, type JobEnvironment } from './job-environment.ts';
import {
  inputsAfter,
  layInputs,
  openFiles,
  removeInputs,
  verifyInputs,
  type InputsAfter,
  type LaidInputs,
} from './job-inputs.ts';
import { cleanFolder, redactEvent, redactFailure, redactFields } from './keep-secrets.ts';
import { keepStateOfJob, newAttemptFolder, newToken, readResult, writeRequest } from './job-directory.ts';
import { launchOf, type Launch } from './job-launch.ts';
import { numbersGiven } from './key.ts';
import type { EmbeddedBackend, Executor, RunningJob } from './ports.ts';

export interface AttemptContext {
  readonly store: Store;
  readonly executor: Executor;
  readonly embedded: EmbeddedBackend;
  readonly run: string;
  readonly runFolder: string;
  readonly graceMs: number;
  readonly defaultTimeoutMs?: number;
  /** Keeps what failed attempts have written, for whoever looks for the cause. */
  readonly keepFailed?: boolean;
  /** Asks running jobs to write a resume state and end. */
  readonly checkpoint: AbortSignal;
  readonly kill: AbortSignal;
  readonly onStarted: (attempt: number, resumed: boolean) => void;
  readonly onEvent: (event: JobEvent) => void;
  readonly fault?: JsonObject;
  /** Whether the inputs are copied for this job alone, since somebody wrote into those that others have, too. */
  readonly copies?: boolean;
}

export type AttemptEnd =
  | (CollectedOutputs & {
      readonly end: 'succeeded';
      readonly attempt: number;
      /** What went into the state that it went on from. */
      readonly resumedMs: number;
      readonly summary: JsonObject;
      readonly proofs: readonly ProofSummary[];
    })
  | { readonly end: 'failed'; readonly failure: StageFailure }
  | { readonly end: 'cancelled'; readonly checkpointed: boolean }
  /** What it read changed while it ran, by it or by another job that read the same: it has to run again. */
  | { readonly end: 'void'; readonly failure: StageFailure }
  | { readonly end: 'input-lost'; readonly input: ResolvedInput };

interface JobEnd {
  readonly processEnd: ProcessEnd;
  readonly proofs: readonly ProofSummary[];
}

export async function runAttempt(
  context: AttemptContext,
  stage: PlannedStage,
  key: Digest,
  resolved: readonly ResolvedInput[],
): Promise<AttemptEnd> {
  const { store } = context;
  const verified = await verifyInputs(store, resolved);
  if (!verified.ok) return { end: 'input-lost', input: verified.error.input };
  const files = await openFiles(store, stage);
  if (!files.ok) return { end: 'failed', failure: files.error };
  const environment = environmentOf(stage, process.env);
  if (!environment.ok) return { end: 'failed', failure: environment.error };
  const { attempt, folder } = await newAttemptFolder(context.runFolder, stage.id);
  const inputs = await layInputs(store, resolved, folder, context.copies === true ? 'copies' : 'links');
  if (!inputs.ok) {
    await rm(folder, { recursive: true, force: true });
    return { end: 'input-lost', input: inputs.error.input };
  }
  try {
    return await attemptIn(context, stage, key, {
      attempt,
      folder,
      inputs: inputs.value,
      files: files.value,
      environment: environment.value,
    });
  } catch (error) {
    await removeInputs(store, inputs.value);
    // On a full disk even the log of a job cannot be written: what the job wrote must not keep it full.
    if (context.keepFailed !== true) await giveBack(folder).catch(() => undefined);
    throw error;
  }
}

interface Prepared {
  readonly attempt: number;
  readonly folder: string;
  readonly inputs: LaidInputs;
  readonly files: { readonly [name: string]: JobInput };
  readonly environment: JobEnvironment;
}

async function attemptIn(
  context: AttemptContext,
  stage: PlannedStage,
  key: Digest,
  { attempt, folder, inputs, files, environment }: Prepared,
): Promise<AttemptEnd> {
  const { store } = context;
  const redactor = redactorOf(environment.secrets);
  // A job that a test breaks on purpose neither uses nor leaves a state that an honest one could meet.
  const resumed = context.fault === undefined ? await resumeStateOf(store.layout, key) : undefined;
  const token = newToken();
  await writeRequest(folder, {
    protocol: JOB_PROTOCOL,
    kind: stage.kind,
    stage: stage.id,
    token,
    settings: stage.settings,
    inputs: { ...files, ...inputs.given },
    ...numbersGiven(stage),
    ...(resumed === undefined ? {} : { resumeFrom: resumed.folder }),
    ...(context.fault === undefined ? {} : { fault: context.fault }),
  });
  const launch = await launchOf(context, stage, folder, inputs.given, environment);
  if (!launch.ok) {
    await removeInputs(store, inputs);
    return { end: 'failed', failure: launch.error };
  }

  context.onStarted(attempt, resumed !== undefined);
  const job = await runJob(context, key, launch.value, redactor);
  const read = await inputsAfter(store, inputs);
  // Before secrets are taken out of the folder: what is linked there is the store's.
  await removeInputs(store, inputs);
  const resumedMs = resumed?.workMs ?? 0;
  const made = { folder, token, attempt, resumedMs, command: launch.value.outputs, read, redactor };
  const end = withoutSecrets(await endOf(context, stage, made, job), redactor);
  if (end.end === 'succeeded' || context.keepFailed !== true) await giveBack(folder);
  await cleanFolder(folder, redactor);
  if (end.end === 'succeeded') return end;
  if (context.fault !== undefined) return end;
  if (read.are !== 'as-laid' || (end.end === 'failed' && end.failure.reason === 'job-failed')) {
    // The job itself says that its work is wrong, or what it read was: the next attempt starts from the beginning.
    await dropResumeStates(store.layout, key);
    return end.end === 'cancelled' ? { end: 'cancelled', checkpointed: false } : end;
  }
  const kept = await keepStateOfJob(store.layout, key, folder);
  return end.end === 'cancelled' ? { end: 'cancelled', checkpointed: kept || resumed !== undefined } : end;
}

/** What the job wrote: the store has what it takes of it, and kept twice, or for nothing, data sets would fill the disk. */
async function giveBack(folder: string): Promise<void> {
  await rm(join(folder, 'out'), { recursive: true, force: true });
}

async function runJob(context: AttemptContext, key: Digest, launch: Launch, redactor: Redactor): Promise<JobEnd> {
  const claim = { engine: ownEngine(), run: context.run, jobFolder: launch.jobFolder };
  await updateClaim(context.store.layout, key, claim);
  const job = await context.executor.start(launch);
  try {
    if (job.identity !== undefined) await updateClaim(context.store.layout, key, { ...claim, job: job.identity });
    return await superviseJob(context, launch, job, redactor);
  } catch (error) {
    // A job that nobody looks after any more must not work on.
    job.kill();
    await job.ended;
    throw error;
  }
}

async function superviseJob(
  context: AttemptContext,
  launch: Launch,
  job: RunningJob,
  redactor: Redactor,
): Promise<JobEnd> {
  const unsubscribe = [onAbort(context.checkpoint, () => job.cancel()), onAbort(context.kill, () => job.kill())];
  const proofs: ProofSummary[] = [];
  const following = followJobEvents(launch.jobFolder, (told) => {
    const event = redactEvent(told, redactor);
    if (event.type === 'proof') proofs.push(event.proof);
    context.onEvent(event);
  });
  const processEnd = await job.ended;
  if (job.strangers !== undefined && job.strangers.length > 0) {
    const text = `its output is closed, for the program has ended and others still hold it open: ${job.strangers.join(', ')}`;
    context.onEvent(redactEvent({ type: 'note', level: 'warning', text }, redactor));
  }
  await following.finish();
  unsubscribe.forEach((stop) => stop());
  return { processEnd, proofs };
}

interface MadeJob {
  readonly folder: string;
  readonly token: string;
  readonly attempt: number;
  readonly resumedMs: number;
  readonly command: Launch['outputs'];
  readonly read: InputsAfter;
  readonly redactor: Redactor;
}

async function endOf(
  context: AttemptContext,
  stage: PlannedStage,
  job: MadeJob,
  { processEnd, proofs }: JobEnd,
): Promise<AttemptEnd> {
  const failed = (failure: StageFailure): AttemptEnd => ({ end: 'failed', failure });
  if (processEnd.cause === 'not-started') {
    const command =
      stage.runsOn === 'command'
        ? String((stage.settings['argv'] as readonly (string | number)[])[0])
        : (stage.program?.argv[0] ?? 'the worker');
    return failed({ reason: 'command-not-found', command, code: processEnd.code });
  }
  // This comes before what the job says of itself: it may have failed for what another wrote into its inputs.
  if (job.read.are === 'modified') return failed(job.read.failure);
  if (job.read.are === 'void' && processEnd.cause !== 'cancelled') return { end: 'void', failure: job.read.failure };
  if (processEnd.cause === 'timed-out')
    return failed({ reason: 'timed-out', timeoutMs: stage.timeoutMs ?? context.defaultTimeoutMs ?? 0 });
  const { exitCode, signal } = processEnd;
  const stderrTail = await context.executor.stderrTail(job.folder);

  let paths: { readonly [port: string]: string };
  let summary: JsonObject = {};
  if (job.command !== undefined) {
    if (exitCode !== 0 && processEnd.cause === 'cancelled') return { end: 'cancelled', checkpointed: false };
    if (exitCode !== 0) return failed({ reason: 'command-exited', exitCode, signal, stderrTail });
    paths = job.command;
  } else {
    const result = await readResult(job.folder, job.token);
    if (!result.ok) return failed(result.error);
    if (result.value === undefined) {
      if (processEnd.cause === 'cancelled') return { end: 'cancelled', checkpointed: false };
      return failed({ reason: 'result-missing', exitCode, signal, stderrTail });
    }
    switch (result.value.status) {
      case 'failed':
        return failed({ reason: 'job-failed', failure: withOwnRemedy(result.value.failure, stage.ownReasons) });
      case 'interrupted':
        if (processEnd.cause === 'cancelled') return { end: 'cancelled', checkpointed: true };
        return failed({ reason: 'result-malformed', problem: 'the job was interrupted, but not by this engine' });
      case 'succeeded':
        ({ outputs: paths, summary } = result.value);
        break;
      default:
        return unreachable(result.value);
    }
  }
  const collected = await collectOutputs(context.store, stage, join(job.folder, 'out'), paths, job.redactor);
  if (!collected.ok) return failed(collected.error);
  return { end: 'succeeded', ...collected.value, attempt: job.attempt, resumedMs: job.resumedMs, summary, proofs };
}

function withoutSecrets(end: AttemptEnd, redactor: Redactor): AttemptEnd {
  switch (end.end) {
    case 'succeeded': {
      const outputs = Object.entries(end.outputs).map(([port, output]) => {
        const named = output.name === undefined ? {} : { name: redactor.text(output.name) };
        return [port, { ...output, ...named }] as const;
      });
      const metrics = end.metrics.map((fact) => redactFields(fact, redactor));
      return { ...end, outputs: Object.fromEntries(outputs), metrics, summary: redactor.json(end.summary) };
    }
    case 'failed':
      return { ...end, failure: redactFailure(end.failure, redactor) };
    case 'cancelled':
    case 'input-lost':
    case 'void':
      return end;
  }
}
