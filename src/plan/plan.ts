// The plan: every stage instance with its typed links, in an order that can run. Pure data; made by `link.ts`, read by everyone below.
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import type { StageId } from '../events/ids.ts';
import type { ReasonWords } from '../events/job-reasons.ts';
import type { InputPort, KindProgram, OutputPort, RunsOn } from '../stages/stage-kind.ts';
import type { JsonObject } from '../support/json.ts';

export interface PortRef {
  readonly stage: StageId;
  readonly port: string;
}

/** `gate:case`, with several cases of one gate meaning "any of these". */
export interface CaseRef {
  readonly gate: StageId;
  readonly cases: readonly string[];
}

export type Binding =
  | { readonly shape: 'one'; readonly from: PortRef }
  | { readonly shape: 'collect'; readonly items: readonly { readonly key: string; readonly from: PortRef }[] }
  | { readonly shape: 'oneOf'; readonly alternatives: readonly { readonly when: CaseRef; readonly from: PortRef }[] };

/** All of these must hold before the stage may start. */
export type After =
  { readonly kind: 'stage'; readonly stage: StageId } | { readonly kind: 'case'; readonly ref: CaseRef };

export interface SourcePlace {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  readonly column: number;
}

export interface PlannedStage {
  readonly id: StageId;
  /** Names of the stage and of the groups it is in, without keys (`head/qat`); and its own key, if any. */
  readonly name: string;
  readonly key?: string;
  readonly kind: string;
  readonly runsOn: RunsOn;
  readonly at: SourcePlace;
  readonly task?: string;
  /** Row of the run's final table that the stage's metrics are; no part of the key. */
  readonly role?: string;
  /** The name of the profile in its settings, where no input replaces it; no part of the key. */
  readonly profile?: string;
  /** From `StageKind.jobSettings`. For gates: resolved cases (see GateSettings). */
  readonly settings: JsonObject;
  readonly seed: number;
  readonly threads: number;
  /** What of these the stage's job is not given, so that nothing it makes depends on it. */
  readonly withheld?: readonly Withheld[];
  /** How many stages before it do the same work, where it has no outputs: each of them is to do it. Absent for the first. */
  readonly ordinal?: number;
  readonly inputs: { readonly [port: string]: Binding };
  readonly inputPorts: readonly InputPort[];
  readonly outputs: readonly OutputPort[];
  readonly after: readonly After[];
  /** Jobs whose recorded time the stage decides on, whether they were taken or not. */
  readonly timed: readonly StageId[];
  /** Files outside the store that decide what the stage gives. Those of its own `code` are no inputs of the job. */
  readonly files: readonly { readonly name: string; readonly path: string; readonly code?: true }[];
  /** Where `runsOn` is 'program'. */
  readonly program?: Pick<KindProgram, 'argv' | 'declared'>;
  /** Integer tokens; `cpu` defaults to `threads` for embedded stages. */
  readonly resources: { readonly [token: string]: number };
  readonly timeoutMs?: number;
  readonly retries: number;
  /** Where the stage is tried again: how long it waits before, and for what. Without it: at once, for what may pass by itself. */
  readonly retryRules?: RetryRules;
  /** Reasons of failures that the package of a 'program' stage declares beside headgate's own. */
  readonly ownReasons?: { readonly [word: string]: ReasonWords };
}

/** A command reads neither of itself: the workflow hands it over, as an argument or as a field of its stage. */
export type Withheld = 'seed' | 'threads';

export interface RetryRules {
  readonly backoff: Backoff;
  /** `timed-out`, `job-failed:internal` …; without it whatever may pass by itself. */
  readonly on?: readonly string[];
}

export interface Backoff {
  readonly firstMs: number;
  readonly factor: number;
  readonly mostMs: number;
  readonly jitter: boolean;
}

export interface Plan {
  readonly workflow: string;
  readonly name: string;
  readonly params: JsonObject;
  /** In an order that respects every edge; ties by place in the file. */
  readonly stages: readonly PlannedStage[];
  /** What the workflow says people take away, under which names; undefined where it leaves that to the rule. */
  readonly outputs?: readonly NamedOutput[];
  /** Says that stages were left out on request, so that what is not in the plan may still be wanted. */
  readonly partial?: true;
  /** For the run's final table: task name → its primary metric. */
  readonly tasks: readonly { readonly name: string; readonly primaryMetric: string }[];
  /** What is hardly meant but can run; shown by every command that reads the workflow, and part of no key. */
  readonly warnings?: readonly Diagnostic[];
}

export interface NamedOutput {
  readonly name: string;
  readonly from: PortRef;
}

/** Settings of a gate after parameters were filled in; cases whose `if` is false are already dropped. */
export interface GateSettings {
  readonly cases: readonly GateCase[];
  readonly policy: 'own' | 'all';
  /** Cases at which the gate's stage fails. */
  readonly failOn?: readonly string[];
  readonly expect?: Expectation;
}

/** What the gate expects of its reference, and of how much better than it a candidate can be. */
export interface Expectation {
  readonly task?: string;
  readonly images?: number;
  /** Digest of the reference's data, or its beginning. */
  readonly data?: string;
  readonly reference?: { readonly metric?: string; readonly value: number; readonly tolerance: number };
  readonly betterByAtMostPercent?: number;
}

export interface GateCase {
  readonly name: string;
  /** All must hold; none for `else` (and for cases that a parameter makes unconditional). */
  readonly criteria: readonly Criterion[];
  /** A CEL condition that must hold too (see `expression/condition.ts`). */
  readonly expression?: string;
  /** What the gates whose verdicts the gate reads must have chosen. */
  readonly verdicts?: VerdictCondition;
  /** The gate's timed jobs must have taken longer than this. */
  readonly longerThanMs?: number;
  /** What goes on from this case is below what was asked: the run's end names it. */
  readonly short?: true;
  /** Chosen where something is not as the gate expects, before all other cases; never otherwise. */
  readonly implausible?: true;
}

/** Of the verdicts that a gate reads, every one or some one chose one of these cases. */
export type VerdictCondition = { readonly every: readonly string[] } | { readonly some: readonly string[] };

/** What a criterion's number is compared with; the unit of its margin is the unit of its threshold. */
export type Rule =
  | 'atLeast'
  | 'atMost'
  | 'percentOfReference'
  | 'maxDegradation'
  | 'maxDegradationPercent'
  | 'minImprovement'
  | 'minImprovementPercent';

/** Exactly one rule with its threshold, and on what it looks. */
export type Criterion = {
  /** A name in the metrics artifact, or 'primary'. */
  readonly metric: string;
  /** One evaluation set of several; without it every set must hold. */
  readonly set?: string;
  /** The class that fares worst decides, not the metric's own value. */
  readonly worstClass?: true;
  /** The margin must hold with this probability over the bootstrap's replicates. */
  readonly confidence?: number;
  readonly hysteresis?: Hysteresis;
  /** The bound itself is not enough: the margin must be above 0. */
  readonly strict?: boolean;
} & { readonly [R in Rule]: { readonly [name in R]: number } }[Rule];

/** Inside a loop: once met, the bound counts as met while every later iteration stays within `below` of it. */
export type Hysteresis = {
  readonly below: number;
  /** At least so many in a row, the one that met the bound among them. */
  readonly iterations: number;
};
