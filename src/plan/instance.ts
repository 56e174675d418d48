// Stage instances (one stage of the file for one key, parameters filled in, settings checked, references still as written)
// and the namespaces they stand in: the workflow itself, and inside every template instance and every iteration of a loop a
// place of its own.
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import type { Located, LocatedString } from '../diagnostics/located-json.ts';
import type { Place } from '../diagnostics/source.ts';
import type { StageId } from '../events/ids.ts';
import type { StageSpec } from '../spec/workflow-spec.ts';
import type { Ports, ResolvedTask, StageContext, StageKind } from '../stages/stage-kind.ts';
import type { JsonObject } from '../support/json.ts';
import type { Criterion, RetryRules, VerdictCondition, Withheld } from './plan.ts';

export interface StageInstance {
  readonly id: StageId;
  /** Place in the order of the file. */
  readonly index: number;
  readonly spec: StageSpec;
  readonly key: string | undefined;
  /** Where it stands: its names are looked up here, and its keys say which instance a reference without one means. */
  readonly from: Surroundings;
  /** Name with the names of the groups it is in: `head/qat`. */
  readonly pathName: string;
  readonly role: string;
  /** What the groups around it come after. */
  readonly required: readonly Requirement[];
  /** What it is told the time of. */
  readonly timed: readonly Namespace[];
  readonly task: string | undefined;
  /** The name of its profile. */
  readonly profile: string | undefined;
  readonly kind: StageKind;
  readonly context: StageContext;
  readonly ports: Ports;
  readonly withNode: Located;
  readonly inputs: readonly InstanceInput[];
  readonly cases: readonly ResolvedCase[];
  readonly seed: number;
  readonly threads: number;
  readonly withheld: readonly Withheld[];
  readonly retries: number;
  readonly retryRules?: RetryRules;
  readonly timeoutMs: number | undefined;
  readonly resources: { readonly [token: string]: number };
}

export interface Namespace {
  /** Before the ids of its stages: '', or `head[detection]/`. */
  readonly path: string;
  /** The same without keys: `head/`. */
  readonly pathName: string;
  /** Stages by name, added while the workflow is expanded. */
  readonly fanOuts: Map<string, FanOut>;
  /** Where names are looked up that are not found here: around a loop's body. A template sees nothing outside. */
  readonly outer: Namespace | undefined;
  /** What is read as `inputs.NAME` in a template and as `carry.NAME` in a loop's body. */
  readonly given: Given | undefined;
}

export interface Given {
  readonly word: 'inputs' | 'carry';
  readonly bindings: ReadonlyMap<string, GivenBinding | 'left out'>;
}

/** What the user of a group wrote for one of its inputs, to be read where the user stands. */
export interface GivenBinding {
  readonly node: Located;
  readonly from: Surroundings;
}

/** A place to look names up from: references without a key mean the first of `keys` that there is an instance for. */
export interface Surroundings {
  readonly namespace: Namespace;
  /** Own key first, then those of the groups around. */
  readonly keys: readonly string[];
}

/** An `after` of a group: every stage inside waits for it. */
export interface Requirement {
  readonly node: Located;
  readonly from: Surroundings;
}

/** A stage of the file with all its instances. */
export interface FanOut {
  readonly spec: StageSpec;
  /** 'none': a single instance under the key ''. */
  readonly domain: 'none' | 'tasks' | 'list';
  readonly instances: ReadonlyMap<string, StageInstance | StageGroup>;
  /** Keys whose `enabled` is false. */
  readonly disabled: ReadonlySet<string>;
}

/** One instance of a stage of kind template or loop, or one iteration of a loop. */
export interface StageGroup {
  readonly id: string;
  readonly spec: StageSpec;
  readonly inside: Surroundings;
  /** Name → reference, to be read inside. */
  readonly outputs: ReadonlyMap<string, Located>;
}

export interface InstanceInput {
  readonly port: string;
  readonly portAt: Place;
  readonly node: Located;
}

export interface ResolvedCase {
  readonly name: string;
  readonly nameAt: Place;
  readonly criteria: readonly Criterion[];
  /** As written, for the places of problems. */
  readonly criterionNodes: readonly Located[];
  readonly expression: LocatedString | undefined;
  readonly verdicts: ResolvedVerdicts | undefined;
  readonly longerThan: { readonly milliseconds: number; readonly at: Place } | undefined;
  /** What goes on from here is below what was asked. */
  readonly short: boolean;
  /** Chosen where something is not as the gate expects. */
  readonly implausible: boolean;
  /** False: parameters leave this case out. */
  readonly included: boolean;
  /** Where a literal `"if": false` stands: no parameter can bring the case back. */
  readonly neverAt: Place | undefined;
  /** Chosen whenever no earlier one is. */
  readonly unconditional: boolean;
}

export interface ResolvedVerdicts {
  readonly condition: VerdictCondition;
  /** The names of cases, as written. */
  readonly cases: readonly LocatedString[];
  readonly at: Place;
}

export interface PlannedTask extends ResolvedTask {
  readonly nameAt: Place;
  readonly node: Located;
  readonly data: ReadonlyMap<string, LocatedString>;
  readonly primaryMetric: string;
}

export interface ResolvedProfile {
  readonly name: string;
  readonly node: Located;
  readonly fields: JsonObject;
}

export type Problems = Diagnostic[];
