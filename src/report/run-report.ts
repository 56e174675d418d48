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
  readonly profile?: string;
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
  /** The task or key that the run's end names, for a gate whose chosen case is short. */
  readonly short?: string;
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
  /** What gates found to be below what was asked, by task or key, however the run ended; empty where nothing is. */
  readonly short: readonly string[];
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
  let fold: RunFold | undefined;
  for (const event of events) {
    if (fold !== undefined) fold.add(event);
    else if (event.type === 'run-started') fold = new RunFold(event);
  }
  return fold?.report();
}

type Opening = Extract<RunEvent, { type: 'run-started' }>;
type Ending = Pick<RunReport, 'stopped' | 'supersededBy' | 'finished'>;
type StageEvent = Exclude<Extract<RunEvent, { readonly stage: StageId }>, { type: 'run-stopped' }>;

type Draft = { -readonly [field in keyof StageReport]: StageReport[field] };

/** A report in the making: an event costs the same however many stages there are. */
export class RunFold {
  private readonly opening: Opening;
  private stages: Map<StageId, Draft>;
  private readonly quarantined: { readonly digest: string; readonly movedTo: string }[] = [];
  private ending: Ending = {};

  constructor(opening: Opening) {
    this.opening = opening;
    this.stages = new Map((opening.stages ?? []).map((outline) => [outline.id, unseen(outline)]));
  }

  add(event: RunEvent): void {
    switch (event.type) {
      case 'run-started':
      case 'journal-repaired':
      case 'run-interrupted':
        return;
      case 'run-superseded':
        this.ending = { ...this.ending, supersededBy: event.by };
        return;
      case 'run-resumed': {
        const { finished: _, ...rest } = this.ending;
        this.ending = rest;
        this.stages = new Map(
          event.stages.map((outline) => [outline.id, reopened(outline, this.stages.get(outline.id))]),
        );
        return;
      }
      case 'run-stopped':
        this.ending = {
          ...this.ending,
          stopped: { stage: event.stage, reason: event.reason, gates: event.gates ?? [] },
        };
        this.change(event.stage, { state: 'succeeded' });
        return;
      case 'object-quarantined':
        this.quarantined.push({ digest: event.digest, movedTo: event.movedTo });
        return;
      case 'run-finished': {
        const { outcome, exitCode, milliseconds } = event;
        this.ending = { ...this.ending, finished: { outcome, exitCode, milliseconds } };
        return;
      }
      default:
        this.change(event.stage, changesBy(event, this.stages.get(event.stage)));
    }
  }

  report(): RunReport {
    const { run, workflow, name, params, options, headgate, time: startedAt } = this.opening;
    const [stages, quarantined] = [[...this.stages.values()].map((stage) => ({ ...stage })), [...this.quarantined]];
    const short = shortIn(stages);
    return { run, workflow, name, params, options, headgate, startedAt, stages, short, quarantined, ...this.ending };
  }

  private change(id: StageId, changes: Partial<StageReport>): void {
    const stage = this.stages.get(id);
    if (stage === undefined) return;
    Object.assign(stage, changes); // nobody else has seen it yet
    // A stage that failed, was tried again and succeeded has succeeded.
    if (changes.state === 'succeeded') delete stage.failure;
    if (changes.chosen !== undefined && changes.short === undefined) delete stage.short;
  }
}

function changesBy(event: StageEvent, before: StageReport | undefined): Partial<StageReport> {
  switch (event.type) {
    case 'stage-started': {
      const { key, cause, attempt, resumed, time } = event;
      return { state: 'running', key, cause, attempt, resumed, startedAt: time };
    }
    case 'job-reported':
      return changesByJob(event.event, before);
    case 'stage-succeeded': {
      const { key, outputs, summary, milliseconds, facts = NOTHING.facts } = event;
      return { state: 'succeeded', key, outputs, summary, milliseconds, facts };
    }
    case 'stage-restored': {
      const { key, outputs, summary, madeBy, facts = NOTHING.facts } = event;
      return { state: 'cached', key, outputs, summary, madeBy, facts };
    }
    case 'gate-decided':
      return {
        chosen: event.chosen,
        verdict: event.verdict,
        ...(event.short === undefined ? {} : { short: event.short }),
      };
    case 'override-lapsed':
      return { lapsed: event.override };
    case 'stage-failed':
      return {
        state: event.failure.reason === 'timed-out' ? 'timed-out' : 'failed',
        failure: event.failure,
        ...(event.attempts === undefined ? {} : { attempts: event.attempts }),
        ...(event.firstFailure === undefined ? {} : { firstFailure: event.firstFailure }),
      };
    case 'stage-waiting':
      return { state: 'pending' };
    case 'stage-retried':
      return { failure: event.failure };
    case 'stage-cancelled':
      return { state: 'cancelled' };
    case 'stage-not-taken':
      return { state: 'not-taken', gate: event.gate, chosen: event.chosen };
    case 'stage-blocked':
      return { state: 'blocked', by: event.by };
    case 'stage-reopened':
      return { state: 'pending' };
  }
}

function changesByJob(event: JobEvent, before: StageReport | undefined): Partial<StageReport> {
  switch (event.type) {
    case 'progress':
      return { progress: event };
    case 'note':
      return { notes: [...(before?.notes ?? []), event] };
    case 'metrics':
    case 'proof': // kept in the stage's facts once it has succeeded
    case 'resume-state':
      return {};
  }
}

function unseen(outline: StageOutline): StageReport {
  return { ...outline, ...NOTHING, state: 'pending' };
}

/** What had not ended well when the engine went away is looked at again; the workflow may have been edited meanwhile. */
function reopened(outline: StageOutline, known: StageReport | undefined): StageReport {
  const ended = known?.state === 'succeeded' || known?.state === 'cached' || known?.state === 'not-taken';
  return ended ? { ...known, ...outline } : unseen(outline);
}

/** Each name once, of gates whose decision stands. */
function shortIn(stages: readonly StageReport[]): readonly string[] {
  const decided = stages.filter(({ state }) => state === 'succeeded' || state === 'cached');
  return [...new Set(decided.flatMap(({ short }) => (short === undefined ? [] : [short])))];
}

/** The role a stage's metrics play in the final table: by its settings, or as its worker says. */
export function roleOf({ role, summary }: StageReport): string | undefined {
  const told = isJsonObject(summary) ? summary['role'] : undefined;
  return role ?? (typeof told === 'string' ? told : undefined);
}
