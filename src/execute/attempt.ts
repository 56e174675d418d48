// One attempt at one stage's job: inputs verified, folder made, program started and followed, outputs taken into the store.
// Knows nothing of other stages, of retries or of the plan's order.
import { mkdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
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
import { redactorOf, type Redactor } from '../support/redaction.ts';
import { err, ok, unreachable, type Result } from '../support/result.ts';
import { collectOutputs, type CollectedOutputs } from './collect-outputs.ts';
import { commandLine } from './command-job.ts';
import type { ResolvedInput } from './edges.ts';
import { followJobEvents } from './follow-job-events.ts';
import { environmentOf, NO_TELEMETRY, type JobEnvironment } from './job-environment.ts';
import { modifiedInput, openFiles, openInputs } from './job-inputs.ts';
import { cleanFolder, redactEvent, redactFailure, redactFields } from './keep-secrets.ts';
import { keepStateOfJob, newAttemptFolder, newToken, readResult, writeRequest } from './job-directory.ts';
import { numbersGiven } from './key.ts';
import type { EmbeddedBackend, Executor, JobLaunch, RunningJob } from './ports.ts';

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
  let begun = '';
  try {
    return await attemptIn(context, stage, key, resolved, (folder) => (begun = folder));
  } catch (error) {
    // On a full disk even the log of a job cannot be written: what the job wrote must not keep it full.
    if (begun !== '' && context.keepFailed !== true) await giveBack(begun).catch(() => undefined);
    throw error;
  }
}

async function attemptIn(
  context: AttemptContext,
  stage: PlannedStage,
  key: Digest,
  resolved: readonly ResolvedInput[],
  onFolder: (folder: string) => void,
): Promise<AttemptEnd> {
  const { store } = context;
  const inputs = await openInputs(store, resolved);
  if (!inputs.ok) return { end: 'input-lost', input: inputs.error.input };
  const files = await openFiles(store, stage);
  if (!files.ok) return { end: 'failed', failure: files.error };
  const environment = environmentOf(stage, process.env);
  if (!environment.ok) return { end: 'failed', failure: environment.error };
  const redactor = redactorOf(environment.value.secrets);
  const { attempt, folder } = await newAttemptFolder(context.runFolder, stage.id);
  onFolder(folder);
  // A job that a test breaks on purpose neither uses nor leaves a state that an honest one could meet.
  const resumed = context.fault === undefined ? await resumeStateOf(store.layout, key) : undefined;
  const token = newToken();
  await writeRequest(folder, {
    protocol: JOB_PROTOCOL,
    kind: stage.kind,
    stage: stage.id,
    token,
    settings: stage.settings,
    inputs: { ...files.value, ...inputs.value },
    ...numbersGiven(stage),
    ...(resumed === undefined ? {} : { resumeFrom: resumed.folder }),
    ...(context.fault === undefined ? {} : { fault: context.fault }),
  });
  const launch = await launchOf(context, stage, folder, inputs.value, environment.value);
  if (!launch.ok) return { end: 'failed', failure: launch.error };

  context.onStarted(attempt, resumed !== undefined);
  const job = await runJob(context, key, launch.value, redactor);
  const resumedMs = resumed?.workMs ?? 0;
  const made = { folder, token, attempt, resumedMs, command: launch.value.outputs, inputs: resolved, redactor };
  const end = withoutSecrets(await endOf(context, stage, made, job), redactor);
  if (end.end === 'succeeded' || context.keepFailed !== true) await giveBack(folder);
  await cleanFolder(folder, redactor);
  if (end.end === 'succeeded') return end;
  if (context.fault !== undefined) return end;
  if (end.end === 'failed' && end.failure.reason === 'job-failed') {
    // The job itself says that its work is wrong: the next attempt starts from the beginning.
    await dropResumeStates(store.layout, key);
    return end;
  }
  const kept = await keepStateOfJob(store.layout, key, folder);
  return end.end === 'cancelled' ? { end: 'cancelled', checkpointed: kept || resumed !== undefined } : end;
}

/** What the job wrote: the store has what it takes of it, and kept twice, or for nothing, data sets would fill the disk. */
async function giveBack(folder: string): Promise<void> {
  await rm(join(folder, 'out'), { recursive: true, force: true });
}

/** A program that knows nothing of headgate has no resume state to write. */
const COMMAND_GRACE_MS = 5000;

type Launch = JobLaunch & { readonly outputs?: { readonly [port: string]: string } };

async function launchOf(
  context: AttemptContext,
  stage: PlannedStage,
  folder: string,
  inputs: { readonly [port: string]: JobInput },
  environment: JobEnvironment,
): Promise<Result<Launch, StageFailure>> {
  const timeoutMs = stage.timeoutMs ?? context.defaultTimeoutMs;
  const common = {
    jobFolder: folder,
    graceMs: context.graceMs,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
  if (stage.runsOn !== 'command') {
    return ok({
      ...common,
      argv: [...(stage.program ?? context.embedded).argv, folder],
      cwd: folder,
      // What a package brings along gets what is declared, like any command; the engine's own worker all there is.
      ...(stage.runsOn === 'program'
        ? { env: environment.values, redactor: redactorOf(environment.secrets) }
        : { env: { ...process.env, ...NO_TELEMETRY } }),
      stdin: 'held',
    });
  }
  const outFolder = join(folder, 'out');
  const { root } = context.store.layout;
  const line = commandLine(stage.settings, { root, outFolder, inputs });
  if (!line.ok) return line;
  const { cwd } = line.value;
  if ((await stat(cwd).catch(() => undefined))?.isDirectory() !== true) {
    return err({ reason: 'settings-invalid', problem: `the working folder ${cwd} does not exist` });
  }
  for (const path of Object.values(line.value.outputs))
    await mkdir(dirname(join(outFolder, path)), { recursive: true });
  return ok({
    ...common,
    ...line.value,
    env: environment.values,
    redactor: redactorOf(environment.secrets),
    stdin: 'empty',
    graceMs: Math.min(context.graceMs, COMMAND_GRACE_MS),
  });
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
  readonly inputs: readonly ResolvedInput[];
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
  if (processEnd.cause === 'timed-out')
    return failed({ reason: 'timed-out', timeoutMs: stage.timeoutMs ?? context.defaultTimeoutMs ?? 0 });
  const modified = stage.runsOn === 'embedded' ? undefined : await modifiedInput(context.store, job.inputs);
  if (modified !== undefined) return failed(modified);
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
      return end;
  }
}

function onAbort(signal: AbortSignal, act: () => void): () => void {
  if (signal.aborted) {
    act();
    return () => undefined;
  }
  signal.addEventListener('abort', act, { once: true });
  return () => signal.removeEventListener('abort', act);
}
