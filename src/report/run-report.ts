// A run as people want to see it: its events folded into one value. Reads events only; knows no files and prints nothing.
import type { StageFailure } from '../events/failures.ts';
import type { GateOverride } from '../events/gate-override.ts';
import type { StageId } from '../events/ids.ts';
import type { JobEvent } from '../events/job-protocol.ts';
import type { OutputRecord, RunCause, RunEvent, StageFacts, StageOutline, StageState } from '../events/run-events.ts';
import { isJsonObject, type JsonObject } from '../support/json.ts';

export interface StageReport {
  readonly id: StageId;
  readonly name: string;
  readonly kind: string;
  readonly task?: string;
  readonly role?: string;
  readonly state: StageState;
  readonly key?: string;
  readonly cause?: RunCause;
  readonly attempt?: number;
  readonly resumed?: boolean;
  readonly startedAt?: string;
  readonly milliseconds?: number;
  /** For cached stages: the run that made the outputs. */
  readonly madeBy?: string;
  readonly outputs: { readonly [port: string]: OutputRecord };
  readonly summary: JsonObject;
  readonly facts: StageFacts;
  readonly failure?: StageFailure;
  /** How often it was tried, if more than once, and what went wrong first, if that was something else. */
  readonly attempts?: number;
  readonly firstFailure?: StageFailure;
  readonly verdict?: JsonObject;
  readonly chosen?: string;
  /** For gates: an override that was meant for other numbers or cases. */
  readonly lapsed?: GateOverride;
  /** For not-taken stages: the gate that chose otherwise, and what it chose. */
  readonly gate?: StageId;
  /** For blocked stages: what failed. */
  readonly by?: StageId;
  readonly progress?: Extract<JobEvent, { type: 'progress' }>;
  readonly notes: readonly Extract<JobEvent, { type: 'note' }>[];
}

export interface RunReport {
  readonly run: string;
  readonly workflow: string;
  readonly name: string;
  readonly params: JsonObject;
  readonly options: JsonObject;
  readonly headgate: string;
  readonly startedAt: string;
  readonly stages: readonly StageReport[];
  /** With the gates whose cases led there. */
  readonly stopped?: { readonly stage: StageId; readonly reason: string; readonly gates: readonly StageId[] };
  readonly quarantined: readonly { readonly digest: string; readonly movedTo: string }[];
  /** The run that took over. */
  readonly supersededBy?: string;
  /** Undefined while it runs, or when it was killed. */
  readonly finished?: {
    readonly outcome: 'succeeded' | 'failed' | 'stopped' | 'interrupted' | 'superseded';
    readonly exitCode: number;
    readonly milliseconds: number;
  };
}

const NOTHING: Pick<StageReport, 'outputs' | 'summary' | 'facts' | 'notes'> = {
  outputs: {},
  summary: {},
  facts: { metrics: [], proofs: [] },
  notes: [],
};

/** Undefined when the journal has no beginning. */
export function foldRun(events: Iterable<RunEvent>): RunReport | undefined {
  let report: RunReport | undefined;
  for (const event of events) report = report === undefined ? openReport(event) : reduceRun(report, event);
  return report;
}

export function openReport(event: RunEvent): RunReport | undefined {
  if (event.type !== 'run-started') return undefined;
  const { run, workflow, name, params, options, headgate, time, stages = [] } = event;
  return {
    run,
    workflow,
    name,
    params,
    options,
    headgate,
    startedAt: time,
    stages: stages.map((outline) => ({ ...outline, ...NOTHING, state: 'pending' })),
    quarantined: [],
  };
}

export function reduceRun(report: RunReport, event: RunEvent): RunReport {
  switch (event.type) {
    case 'run-started':
    case 'journal-repaired':
    case 'run-interrupted':
      return report;
    case 'run-resumed': {
      const { finished: _, ...rest } = report;
      const known = new Map(report.stages.map((stage) => [stage.id, stage]));
      return { ...rest, stages: event.stages.map((outline) => reopened(outline, known.get(outline.id))) };
    }
    case 'run-stopped':
      return {
        ...report,
        stopped: { stage: event.stage, reason: event.reason, gates: event.gates ?? [] },
        stages: change(report.stages, event.stage, { state: 'succeeded' }),
      };
    case 'run-superseded':
      return { ...report, supersededBy: event.by };
    case 'object-quarantined':
      return { ...report, quarantined: [...report.quarantined, { digest: event.digest, movedTo: event.movedTo }] };
    case 'run-finished': {
      const { outcome, exitCode, milliseconds } = event;
      return { ...report, finished: { outcome, exitCode, milliseconds } };
    }
    default:
      return { ...report, stages: reduceStages(report.stages, event) };
  }
}

type StageEvent = Extract<RunEvent, { readonly stage: StageId }>;

function reduceStages(
  stages: readonly StageReport[],
  event: Exclude<StageEvent, { type: 'run-stopped' }>,
): readonly StageReport[] {
  const { stage } = event;
  switch (event.type) {
    case 'stage-started': {
      const { key, cause, attempt, resumed, time } = event;
      return change(stages, stage, { state: 'running', key, cause, attempt, resumed, startedAt: time });
    }
    case 'job-reported':
      return reduceJobEvent(stages, stage, event.event);
    case 'stage-succeeded': {
      const { key, outputs, summary, milliseconds, facts = NOTHING.facts } = event;
      const ended = { state: 'succeeded', key, outputs, summary, milliseconds, facts } as const;
      return change(stages.map(withoutFailure(stage)), stage, ended);
    }
    case 'stage-restored': {
      const { key, outputs, summary, madeBy, facts = NOTHING.facts } = event;
      return change(stages, stage, { state: 'cached', key, outputs, summary, madeBy, facts });
    }
    case 'gate-decided':
      return change(stages, stage, { chosen: event.chosen, verdict: event.verdict });
    case 'override-lapsed':
      return change(stages, stage, { lapsed: event.override });
    case 'stage-failed':
      return change(stages, stage, {
        state: event.failure.reason === 'timed-out' ? 'timed-out' : 'failed',
        failure: event.failure,
        ...(event.attempts === undefined ? {} : { attempts: event.attempts }),
        ...(event.firstFailure === undefined ? {} : { firstFailure: event.firstFailure }),
      });
    case 'stage-retried':
      return change(stages, stage, { failure: event.failure });
    case 'stage-cancelled':
      return change(stages, stage, { state: 'cancelled' });
    case 'stage-not-taken':
      return change(stages, stage, { state: 'not-taken', gate: event.gate, chosen: event.chosen });
    case 'stage-blocked':
      return change(stages, stage, { state: 'blocked', by: event.by });
    case 'stage-reopened':
      return change(stages, stage, { state: 'pending' });
  }
}

function reduceJobEvent(stages: readonly StageReport[], id: StageId, event: JobEvent): readonly StageReport[] {
  switch (event.type) {
    case 'progress':
      return change(stages, id, { progress: event });
    case 'note':
      return stages.map((stage) => (stage.id === id ? { ...stage, notes: [...stage.notes, event] } : stage));
    case 'metrics':
    case 'proof': // kept in the stage's facts once it has succeeded
    case 'resume-state':
      return stages;
  }
}

function change(stages: readonly StageReport[], id: StageId, changes: Partial<StageReport>): readonly StageReport[] {
  return stages.map((stage) => (stage.id === id ? { ...stage, ...changes } : stage));
}

/** A stage that failed, was tried again and succeeded has succeeded. */
function withoutFailure(id: StageId): (stage: StageReport) => StageReport {
  return (stage) => {
    if (stage.id !== id || stage.failure === undefined) return stage;
    const { failure: _, ...rest } = stage;
    return rest;
  };
}

/** What had not ended well when the engine went away is looked at again; the workflow may have been edited meanwhile. */
function reopened(outline: StageOutline, known: StageReport | undefined): StageReport {
  const ended = known?.state === 'succeeded' || known?.state === 'cached' || known?.state === 'not-taken';
  return ended ? { ...known, ...outline } : { ...outline, ...NOTHING, state: 'pending' };
}

/** The role a stage's metrics play in the final table: by its settings, or as its worker says. */
export function roleOf({ role, summary }: StageReport): string | undefined {
  const told = isJsonObject(summary) ? summary['role'] : undefined;
  return role ?? (typeof told === 'string' ? told : undefined);
}
