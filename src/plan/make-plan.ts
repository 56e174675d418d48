// WorkflowSpec → Plan: parameters, instances, links, order, types, conditions. Each step collects all its problems, and
// the next begins only when there were none.
import { nothingToRun } from '../diagnostics/catalogue/graph.ts';
import { sortDiagnostics } from '../diagnostics/diagnostic.ts';
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import { innerPlace, nodeAt } from '../diagnostics/located-json.ts';
import type { Located } from '../diagnostics/located-json.ts';
import { positionOf } from '../diagnostics/source.ts';
import type { Place } from '../diagnostics/source.ts';
import { stageId } from '../events/ids.ts';
import type { WorkflowSpec } from '../spec/workflow-spec.ts';
import { stageKinds } from '../stages/registry.ts';
import type { OutputPort, StageKind } from '../stages/stage-kind.ts';
import type { JsonObject } from '../support/json.ts';
import { err, ok } from '../support/result.ts';
import type { Result } from '../support/result.ts';
import { checkGates } from './check-gates.ts';
import { checkOrders } from './check-orders.ts';
import { checkPorts } from './check-ports.ts';
import { checkTasks, type DescribedUse } from './check-tasks.ts';
import { findConditions } from './conditions.ts';
import type { Conditions } from './conditions.ts';
import { resolveDeclarations, type Declarations } from './declarations.ts';
import { expandStages } from './expand.ts';
import { caseSettings, remainingCases } from './gate-cases.ts';
import type { Problems, StageInstance } from './instance.ts';
import { isDisabled } from './linked-stage.ts';
import type { LinkedAfter, LinkedBinding, LinkedCases, LinkedStage, OutputRef } from './linked-stage.ts';
import { linkOutputs } from './link-outputs.ts';
import { linkStages } from './link.ts';
import { checkParams, mergeParams } from './params.ts';
import type { After, Binding, CaseRef, Plan, PlannedStage, PortRef } from './plan.ts';
import { equalStages, replicateWarnings, withOrdinals } from './equal-stages.ts';
import { settingOrigin, type SettingOrigin, type Written } from './setting-origin.ts';
import { orderStages } from './stage-graph.ts';

export interface PlanOptions {
  /** Parsed params files, in the order given. */
  readonly params?: readonly Located[];
  /** The words after each `--set`. */
  readonly set?: readonly string[];
  /** Stage kinds by name; by default the built-in ones. */
  readonly kinds?: ReadonlyMap<string, StageKind>;
}

/** A file that a stage reads, with the place that names it. */
export interface FileUse {
  readonly stage: string;
  readonly path: string;
  readonly at: Place;
}

export interface MadePlan {
  readonly plan: Plan;
  readonly files: readonly FileUse[];
  /** Tasks whose data a file describes, for whoever can read it. */
  readonly described: readonly DescribedUse[];
  /** Where a setting of a stage was written; `steps` lead there from its settings. */
  originOf(stage: string, steps: readonly string[]): SettingOrigin | undefined;
}

export function makePlan(spec: WorkflowSpec, options: PlanOptions = {}): Result<MadePlan, readonly Diagnostic[]> {
  const problems: Problems = [];
  const warnings: Problems = [];
  const params = mergeParams(spec.params, options.params ?? [], options.set ?? [], problems);
  if (problems.length === 0) checkParams(params, spec.paramsSchemas, problems);
  if (problems.length > 0) return err(sortDiagnostics(problems));
  const declarations = resolveDeclarations(spec, params, options.kinds ?? stageKinds, problems);
  // Without its profile every stage that needs one would be refused too, which says nothing new.
  if (problems.some(({ code }) => code === 'HG1210')) return err(sortDiagnostics(problems));
  const root = expandStages(declarations, problems);
  if (problems.length > 0) return err(sortDiagnostics(problems));
  const linked = linkStages(declarations, root, problems);
  const named = linkOutputs(spec, root, problems);
  if (linked.length === 0) problems.push(nothingToRun({ source: spec.source, offset: 0, length: 1 }));
  if (problems.length > 0) return err(sortDiagnostics(problems));
  const order = orderStages(linked);
  if (!order.ok) return err([order.error]);
  const outputs = checkPorts(order.value, problems);
  const conditions = findConditions(order.value, problems);
  let described: readonly DescribedUse[] = [];
  if (problems.length === 0) {
    checkGates(order.value, conditions, problems, warnings);
    checkOrders(order.value, conditions, problems);
    described = checkTasks(order.value, conditions, declarations.tasks, problems, warnings);
  }
  if (problems.length > 0) return err(sortDiagnostics(problems));

  const kept = order.value.filter(({ instance }) => !conditions.pruned.has(instance));
  const planned = kept.map((stage) => plannedStage(stage, conditions, outputs.get(stage.instance) ?? []));
  const equal = equalStages(planned);
  const instances = new Map(kept.map(({ instance }) => [instance.id, instance]));
  warnings.push(
    ...replicateWarnings(
      equal,
      ({ id }) => drawsNumbers(instances.get(id)),
      ({ id }) => instances.get(id)?.spec.nameAt,
    ),
  );
  const plan: Plan = {
    workflow: spec.source.file,
    name: spec.name,
    params: params.values,
    stages: withOrdinals(planned, equal),
    ...(named === undefined ? {} : { outputs: named.map(({ name, from }) => ({ name, from: portRef(from) })) }),
    tasks: [...declarations.tasks.values()].map(({ name, primaryMetric }) => ({ name, primaryMetric })),
    ...(warnings.length === 0 ? {} : { warnings: sortDiagnostics(warnings) }),
  };
  const originOf: MadePlan['originOf'] = (id, steps) => {
    const found = instances.get(stageId(id));
    return found === undefined ? undefined : settingOrigin(writtenFor(found, declarations), steps);
  };
  return ok({ plan, files: kept.flatMap(fileUses), described, originOf });
}

/** What a command does nobody knows; every other kind says whether its job draws random numbers. */
function drawsNumbers(instance: StageInstance | undefined): boolean {
  return instance?.kind.seeded === true && instance.kind.runsOn !== 'engine';
}

function plannedStage(stage: LinkedStage, conditions: Conditions, outputs: readonly OutputPort[]): PlannedStage {
  const { instance, inputs } = stage;
  const { id, spec, pathName, role, key, kind, task, context, seed, threads, withheld, resources } = instance;
  const { retries, retryRules, timeoutMs } = instance;
  const at = positionOf(spec.nameAt.source, spec.nameAt.offset);
  const settings = kind.role === 'gate' ? gateSettings(stage) : kind.jobSettings(context);
  const named = settings['profile'] !== undefined && instance.profile !== undefined && !inputs.has('profile');
  return {
    id,
    name: pathName,
    ...(key === undefined ? {} : { key }),
    kind: kind.kind,
    runsOn: kind.runsOn,
    at: { file: spec.nameAt.source.file, ...at },
    ...(task === undefined ? {} : { task }),
    ...(role === '' ? {} : { role }),
    ...(named ? { profile: instance.profile } : {}),
    settings,
    seed,
    threads,
    ...(withheld.length === 0 ? {} : { withheld }),
    inputs: Object.fromEntries([...inputs].map(([port, { binding }]) => [port, plannedBinding(binding, conditions)])),
    inputPorts: [...inputs.values()].map(({ port }) => port),
    outputs,
    after: stage.after.map((after) => plannedAfter(after, conditions)),
    timed: stage.timed.flatMap((timed) => (conditions.pruned.has(timed) ? [] : [timed.id])),
    files: filesOf(instance),
    ...(kind.program === undefined ? {} : { program: { argv: kind.program.argv, declared: kind.program.declared } }),
    ...(kind.reasons === undefined ? {} : { ownReasons: kind.reasons }),
    resources,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    retries,
    ...(retryRules === undefined ? {} : { retryRules }),
  };
}

function writtenFor({ withNode, spec, task, context, profile }: StageInstance, declarations: Declarations): Written {
  return {
    with: withNode,
    cases: spec.cases,
    task: declarations.spec.tasks.get(task ?? '')?.node,
    profile: context.profile === undefined ? undefined : declarations.spec.profiles.get(profile ?? '')?.node,
    params: declarations.params.node,
  };
}

function filesOf({ kind, context }: LinkedStage['instance']): PlannedStage['files'] {
  const named = (kind.files?.(context) ?? []).map(({ name, path }) => ({ name, path }));
  return [...named, ...(kind.program?.code ?? []).map((file) => ({ ...file, code: true as const }))];
}

function gateSettings({ instance }: LinkedStage): JsonObject {
  const cases = remainingCases(instance.cases).map(caseSettings);
  return { ...instance.kind.jobSettings(instance.context), cases };
}

function plannedBinding(binding: LinkedBinding, conditions: Conditions): Binding {
  switch (binding.shape) {
    case 'one':
      return { shape: 'one', from: portRef(binding.from) };
    case 'collect':
      return { shape: 'collect', items: binding.items.map(({ key, from }) => ({ key, from: portRef(from) })) };
    case 'oneOf':
      return {
        shape: 'oneOf',
        alternatives: binding.alternatives.flatMap(({ when, from }) => {
          const ref = caseRef(when, conditions);
          if (isDisabled(from) || ref.cases.length === 0) return [];
          if (conditions.pruned.has(from.producer) || conditions.pruned.has(when.gate)) return [];
          return [{ when: ref, from: portRef(from) }];
        }),
      };
  }
}

function plannedAfter(after: LinkedAfter, conditions: Conditions): After {
  if (after.kind === 'stage') return { kind: 'stage', stage: after.stage.id };
  return { kind: 'case', ref: caseRef(after.ref, conditions) };
}

function caseRef({ gate, cases }: LinkedCases, { remaining }: Conditions): CaseRef {
  const known = remaining.get(gate) ?? [];
  return { gate: gate.id, cases: cases.filter((name) => known.includes(name)) };
}

function portRef({ producer, port }: OutputRef): PortRef {
  return { stage: producer.id, port };
}

function fileUses({ instance }: LinkedStage): readonly FileUse[] {
  const files = instance.kind.files?.(instance.context) ?? [];
  return files.map(({ path, at }) => ({ stage: instance.id, path, at: innerPlace(nodeAt(instance.withNode, at)) }));
}
