// Runs one stage at one key: attempts until one succeeds or none is left, then the record. Tells what happened; moves no states.
import { isDeepStrictEqual } from 'node:util';
import type { StageFailure } from '../events/failures.ts';
import type { StageId } from '../events/ids.ts';
import type { RunCause, StageFacts } from '../events/run-events.ts';
import type { PlannedStage } from '../plan/plan.ts';
import type { ActionRecord } from '../store/actions.ts';
import { dropClaim, type FoundClaim } from '../store/claims.ts';
import { dropResumeStates, resumeStateOf } from '../store/resume-states.ts';
import { Stopwatch, type Clock } from '../support/clock.ts';
import type { JsonObject } from '../support/json.ts';
import { runAttempt, type AttemptContext, type AttemptEnd } from './attempt.ts';
import { claimKey } from './claim-key.ts';
import { resultIn, type Outputs, type ResolvedInput, type StageInputs, type StageResult } from './edges.ts';
import { evaluateEngineStage } from './engine-stages.ts';
import { changedFile } from './changed-file.ts';
import type { StageKey } from './key.ts';
import type { DecisionKey } from './override-key.ts';
import { thisHost } from './recorded-host.ts';
import type { Recorder } from './recorder.ts';
import type { Hold } from './resources.ts';
import { delayBefore, isTriedAgain } from './retry.ts';
import { thrownFailure } from './thrown-failure.ts';
import { shortField } from './short.ts';

export type StageRunContext = Omit<AttemptContext, 'onStarted' | 'onEvent' | 'fault' | 'copies'> & {
  readonly recorder: Recorder;
  /** Longest wait for a job of a dead engine to write its resume state. */
  readonly orphanGraceMs: number;
  readonly faults: ReadonlyMap<StageId, JsonObject>;
  /** Stages whose jobs get copies of their inputs from now on, since somebody wrote into what they had. */
  readonly onCopies: Set<StageId>;
  readonly clock: Clock;
};

export type StageEnd =
  | { readonly end: 'succeeded'; readonly result: StageResult }
  | {
      readonly end: 'failed';
      readonly failure: StageFailure;
      readonly attempts?: number;
      /** Where the first attempt failed otherwise than the last. */
      readonly firstFailure?: StageFailure;
    }
  | { readonly end: 'cancelled' }
  | { readonly end: 'done-elsewhere' }
  | { readonly end: 'input-lost'; readonly input: ResolvedInput };

export async function runStage(
  context: StageRunContext,
  stage: PlannedStage,
  key: DecisionKey,
  inputs: StageInputs,
  cause: RunCause,
  hold: Hold,
): Promise<StageEnd> {
  const working =
    stage.runsOn === 'engine'
      ? decideStage(context, stage, key, inputs, cause)
      : runJobs(context, stage, key, inputs.artifacts, cause, hold);
  const end = await working.catch((error: unknown): StageEnd => ({ end: 'failed', failure: thrownFailure(error) }));
  if (end.end === 'failed') {
    const { failure, attempts, firstFailure } = end;
    context.recorder.emit({
      type: 'stage-failed',
      stage: stage.id,
      failure,
      ...(attempts === undefined || attempts === 1 ? {} : { attempts }),
      ...(firstFailure === undefined ? {} : { firstFailure }),
    });
  }
  return end;
}

async function decideStage(
  context: StageRunContext,
  stage: PlannedStage,
  key: DecisionKey,
  inputs: StageInputs,
  cause: RunCause,
): Promise<StageEnd> {
  const working = new Stopwatch();
  const outcome = await evaluateEngineStage(context.store.objects, stage, inputs, key.override);
  if (!outcome.ok) {
    if (outcome.error.reason === 'input-lost') return { end: 'input-lost', input: outcome.error.input };
    // An interrupt that came while an expression was decided has stopped it, and decided nothing.
    return context.checkpoint.aborted && outcome.error.reason === 'expression-failed'
      ? { end: 'cancelled' }
      : { end: 'failed', failure: outcome.error };
  }
  const { outputs, verdict, content } = outcome.value;
  context.recorder.emit({ type: 'stage-started', stage: stage.id, key: key.key, attempt: 1, cause, resumed: false });
  for (const text of content) await context.store.objects.putBytes(text);
  const made = { outputs, summary: {}, metrics: [], proofs: [], attempt: 1, resumedMs: 0 };
  const result = await publish(context, stage, key, made, working, verdict);
  if (verdict === undefined) return { end: 'succeeded', result };
  const { case: chosen } = verdict;
  const short = shortField(stage, chosen);
  context.recorder.emit({ type: 'gate-decided', stage: stage.id, chosen, verdict, cached: false, ...short });
  return { end: 'succeeded', result };
}

async function runJobs(
  context: StageRunContext,
  stage: PlannedStage,
  key: StageKey,
  inputs: readonly ResolvedInput[],
  cause: RunCause,
  hold: Hold,
): Promise<StageEnd> {
  const { store } = context;
  const { recorder, executor, checkpoint: stopping } = context;
  // A program that knows nothing of headgate writes no resume state that would be worth waiting for.
  const orphanGraceMs = stage.runsOn === 'command' ? 0 : context.orphanGraceMs;
  const { id } = stage;
  const onWaiting = ({ run, host, engine }: FoundClaim): void => {
    hold.giveBack(); // waiting needs no core
    recorder.emit({ type: 'stage-waiting', stage: id, key: key.key, owner: { run, host, pid: engine.pid } });
  };
  const claiming = { store, executor, run: recorder.run, orphanGraceMs, stopping, onWaiting };
  if (!(await claimKey(claiming, key.key))) return { end: 'done-elsewhere' };
  try {
    // Another engine may have finished with it after this one looked and before it claimed.
    const isNew = cause.because === 'never-run' || cause.because === 'changed';
    if (isNew && store.actions.recall(key.key) !== undefined) return { end: 'done-elsewhere' };
    return await attemptUntilDone(context, stage, key, inputs, cause, hold);
  } finally {
    dropClaim(store.layout, key.key);
  }
}

async function attemptUntilDone(
  context: StageRunContext,
  stage: PlannedStage,
  key: StageKey,
  inputs: readonly ResolvedInput[],
  cause: RunCause,
  hold: Hold,
): Promise<StageEnd> {
  const { recorder } = context;
  const { id } = stage;
  const fault = context.faults.get(id);
  let firstFailure: StageFailure | undefined;
  for (let tries = 1; ; tries++) {
    const working = new Stopwatch();
    const end = await runAttempt(
      {
        ...context,
        onStarted: (attempt, resumed) =>
          recorder.emit({ type: 'stage-started', stage: id, key: key.key, attempt, cause, resumed }),
        onEvent: (event) => recorder.emit({ type: 'job-reported', stage: id, event }),
        ...(fault === undefined ? {} : { fault }),
        copies: context.onCopies.has(id),
      },
      stage,
      key.key,
      inputs,
    ).catch((error: unknown): AttemptEnd => ({ end: 'failed', failure: thrownFailure(error) }));
    switch (end.end) {
      case 'succeeded':
        return accept(context, stage, key, end, working);
      case 'failed':
        if (context.checkpoint.aborted || !isTriedAgain(stage, end.failure, tries)) {
          const failed = { ...end, attempts: tries };
          return firstFailure === undefined || isDeepStrictEqual(firstFailure, end.failure)
            ? failed
            : { ...failed, firstFailure };
        }
        firstFailure ??= end.failure;
        if (!(await waitForNextTry(context, stage, end.failure, tries, hold))) {
          const checkpointed = (await resumeStateOf(context.store.layout, key.key)) !== undefined;
          recorder.emit({ type: 'stage-cancelled', stage: id, checkpointed });
          return { end: 'cancelled' };
        }
        break;
      case 'cancelled':
        recorder.emit({ type: 'stage-cancelled', stage: id, checkpointed: end.checkpointed });
        return { end: 'cancelled' };
      case 'void':
        // No try of its own: it may be another's doing. On copies whoever wrote is found by name.
        context.onCopies.add(id);
        recorder.emit({ type: 'stage-retried', stage: id, failure: end.failure, attempt: tries + 1, delayMs: 0 });
        tries--;
        break;
      case 'input-lost':
        return end;
    }
  }
}

/** False when the run ends meanwhile. While it waits, others may have the stage's tokens. */
async function waitForNextTry(
  { recorder, clock, checkpoint }: StageRunContext,
  stage: PlannedStage,
  failure: StageFailure,
  tries: number,
  hold: Hold,
): Promise<boolean> {
  const delayMs = delayBefore(stage.retryRules?.backoff, tries, `${recorder.run} ${stage.id}`);
  recorder.emit({ type: 'stage-retried', stage: stage.id, failure, attempt: tries + 1, delayMs });
  if (delayMs === 0) return true;
  hold.giveBack();
  await clock.wait(delayMs, checkpoint);
  return !checkpoint.aborted && (await hold.take());
}

type Success = Extract<AttemptEnd, { end: 'succeeded' }>;

/** Makes an attempt's outputs the outputs of their key, unless something says that they are not. */
async function accept(
  context: StageRunContext,
  stage: PlannedStage,
  key: StageKey,
  made: Success,
  working: Stopwatch,
): Promise<StageEnd> {
  if (context.faults.has(stage.id)) return { end: 'failed', failure: UNNOTICED_FAULT };
  const changed = await changedFile(context.store, stage, key);
  if (changed !== undefined) return { end: 'failed', failure: changed };
  await warnOfOtherBytes(context, stage, key, made.outputs);
  const result = await publish(context, stage, key, made, working);
  await dropResumeStates(context.store.layout, key.key);
  return { end: 'succeeded', result };
}

/** A key that was worked on before must give the same bytes; if it does not, people should know. */
async function warnOfOtherBytes(
  context: StageRunContext,
  stage: PlannedStage,
  key: StageKey,
  outputs: Outputs,
): Promise<void> {
  const earlier = await context.store.actions.read(key.key);
  const other = Object.keys(outputs).filter((port) => {
    const digest = earlier?.outputs[port]?.digest;
    return digest !== undefined && digest !== outputs[port]?.digest;
  });
  if (earlier === undefined || other.length === 0) return;
  const text = `${other.join(', ')} came out different from run ${earlier.madeBy.run} although nothing it depends on changed: this stage is not deterministic`;
  context.recorder.emit({ type: 'job-reported', stage: stage.id, event: { type: 'note', level: 'warning', text } });
}

/** A stage that a test broke on purpose must not end well, and must leave no record if it does. */
const UNNOTICED_FAULT: StageFailure = {
  reason: 'job-failed',
  failure: { reason: 'fault-unnoticed', message: 'a fault was injected into the job and nothing noticed it' },
};

/** @returns what the record says. */
async function publish(
  context: StageRunContext,
  stage: PlannedStage,
  key: StageKey,
  made: Pick<Success, 'outputs' | 'metrics' | 'proofs' | 'summary' | 'attempt' | 'resumedMs'>,
  working: Stopwatch,
  verdict?: JsonObject,
): Promise<StageResult> {
  const milliseconds = made.resumedMs + working.milliseconds;
  const facts: StageFacts = { metrics: made.metrics, proofs: made.proofs };
  const record: ActionRecord = {
    format: 'headgate-action',
    version: 1,
    key: key.key,
    preImage: key.preImage,
    outputs: made.outputs,
    summary: made.summary,
    facts,
    ...(verdict === undefined ? {} : { verdict }),
    madeBy: {
      run: context.recorder.run,
      stage: stage.id,
      attempt: made.attempt,
      milliseconds,
      time: working.startedAt.toISOString(),
      host: thisHost(),
    },
  };
  await context.store.actions.write(record);
  context.recorder.emit({
    type: 'stage-succeeded',
    stage: stage.id,
    key: key.key,
    outputs: made.outputs,
    summary: made.summary,
    milliseconds,
    facts,
  });
  return resultIn(record);
}
