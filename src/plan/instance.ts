// A stage instance: one stage of the file for one key, parameters filled in, settings checked, references still as written.
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import type { Located, LocatedString } from '../diagnostics/located-json.ts';
import type { Place } from '../diagnostics/source.ts';
import type { StageId } from '../events/ids.ts';
import type { StageSpec } from '../spec/workflow-spec.ts';
import type { Ports, ResolvedTask, StageContext, StageKind } from '../stages/stage-kind.ts';
import type { JsonObject } from '../support/json.ts';
import type { Criterion, RetryRules } from './plan.ts';

export interface StageInstance {
  readonly id: StageId;
  /** Place in the order of the file. */
  readonly index: number;
  readonly spec: StageSpec;
  readonly key: string | undefined;
  /** The key that references without one mean: the instance's own, else its task. */
  readonly zipKey: string | undefined;
  readonly task: string | undefined;
  readonly kind: StageKind;
  readonly context: StageContext;
  readonly ports: Ports;
  readonly withNode: Located;
  readonly inputs: readonly InstanceInput[];
  readonly cases: readonly ResolvedCase[];
  readonly seed: number;
  readonly threads: number;
  readonly retries: number;
  readonly retryRules?: RetryRules;
  readonly timeoutMs: number | undefined;
  readonly resources: { readonly [token: string]: number };
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
  /** False: parameters leave this case out. */
  readonly included: boolean;
  /** Where a literal `"if": false` stands: no parameter can bring the case back. */
  readonly neverAt: Place | undefined;
  /** Chosen whenever no earlier one is. */
  readonly unconditional: boolean;
}

/** A stage of the file with all its instances. */
export interface FanOut {
  readonly spec: StageSpec;
  /** 'none': a single instance under the key ''. */
  readonly domain: 'none' | 'tasks' | 'list';
  readonly instances: ReadonlyMap<string, StageInstance>;
  /** Keys whose `enabled` is false. */
  readonly disabled: ReadonlySet<string>;
}

export interface PlannedTask extends ResolvedTask {
  readonly nameAt: Place;
  readonly data: ReadonlyMap<string, LocatedString>;
  readonly primaryMetric: string;
}

export interface ResolvedProfile {
  readonly name: string;
  readonly fields: JsonObject;
}

export type Problems = Diagnostic[];
