// Profiles and tasks of a workflow with parameters filled in and their schemas checked.
import profileSchema from '../../schemas/profile.schema.json' with { type: 'json' };
import taskSchema from '../../schemas/task.schema.json' with { type: 'json' };
import { splitSharedWithReport, unknownProfile, wrongShape } from '../diagnostics/catalogue/parameters.ts';
import { formatNotInTarget } from '../diagnostics/catalogue/tasks.ts';
import { innerPlace, memberOf, nodeAt } from '../diagnostics/located-json.ts';
import type { Located, LocatedString } from '../diagnostics/located-json.ts';
import type { Place } from '../diagnostics/source.ts';
import { substitute } from '../expression/substitution.ts';
import { checkSchema } from '../spec/schema-check.ts';
import type { NamedNode, WorkflowSpec } from '../spec/workflow-spec.ts';
import { isJsonObject, jsonText } from '../support/json.ts';
import type { JsonObject } from '../support/json.ts';
import { jsonModule } from '../support/json-module.ts';
import { classProblems, idleWeights } from '../stages/class-counts.ts';
import type { StageKind } from '../stages/stage-kind.ts';
import { formatProblems } from '../stages/target-formats.ts';
import { metricsOf, primaryOf } from '../stages/task-metrics.ts';
import type { PlannedTask, Problems, ResolvedProfile } from './instance.ts';
import type { Params } from './params.ts';
import { refusals } from './task-places.ts';

export interface Declarations {
  readonly spec: WorkflowSpec;
  readonly params: Params;
  /** Every stage kind that the workflow may name: the built-in ones and those it was given. */
  readonly kinds: ReadonlyMap<string, StageKind>;
  readonly profiles: ReadonlyMap<string, ResolvedProfile>;
  /** The profile that the parameter `profile` names. */
  readonly activeProfile: ResolvedProfile | undefined;
  readonly tasks: ReadonlyMap<string, PlannedTask>;
  /** What a `model` port reads unless its stage says otherwise. */
  readonly modelFrom: Located | undefined;
}

const schemas = { profile: jsonModule(profileSchema), task: jsonModule(taskSchema) };
export function resolveDeclarations(
  spec: WorkflowSpec,
  params: Params,
  kinds: Declarations['kinds'],
  problems: Problems,
): Declarations {
  const profiles = new Map<string, ResolvedProfile>();
  for (const declared of spec.profiles.values()) {
    const checked = resolve(declared, schemas.profile, `profile "${declared.name}"`, params, problems);
    if (checked === undefined) continue;
    profiles.set(declared.name, { name: declared.name, ...checked });
    for (const { path, message, help } of formatProblems(checked.fields))
      problems.push(formatNotInTarget(innerPlace(nodeAt(checked.node, path)), declared.name, message, help));
  }
  const tasks = new Map<string, PlannedTask>();
  for (const declared of spec.tasks.values()) {
    const checked = resolve(declared, schemas.task, `task "${declared.name}"`, params, problems);
    if (checked !== undefined) tasks.set(declared.name, plannedTask(declared, checked.node, checked.fields, problems));
  }
  const from = memberOf(spec.model?.value, 'from');
  const modelFrom = from && substitute(from, { params: params.values, paramsNode: params.node }, problems);
  const active = activeProfile(spec, params, profiles, problems);
  return { spec, params, kinds, profiles, tasks, modelFrom, activeProfile: active };
}

function resolve(
  declared: NamedNode,
  schema: JsonObject,
  what: string,
  params: Params,
  problems: Problems,
): { readonly node: Located; readonly fields: JsonObject } | undefined {
  const node = substitute(declared.node, { params: params.values, paramsNode: params.node }, problems);
  if (node === undefined) return undefined;
  const checked = checkSchema(schema, node, what);
  if (!checked.ok) problems.push(...checked.error);
  return checked.ok && isJsonObject(checked.value) ? { node, fields: checked.value } : undefined;
}

function plannedTask({ name, nameAt }: NamedNode, node: Located, fields: JsonObject, problems: Problems): PlannedTask {
  const { data: _data, ...settings } = fields;
  const data = new Map<string, LocatedString>();
  const written = memberOf(node, 'data');
  for (const { key, value } of written?.type === 'object' ? written.members.values() : []) {
    if (value.type === 'string') data.set(key, value);
    else problems.push(wrongShape(value.at, key, 'a reference'));
  }
  const report = data.get('report');
  for (const [split, { value }] of data) {
    if (report !== undefined && split !== 'report' && value === report.value)
      problems.push(splitSharedWithReport(innerPlace(report), name, split));
  }
  const task = { name, nameAt, node, settings, data, primaryMetric: primaryMetricOf(nameAt, node, settings, problems) };
  const { classes } = settings;
  const counted = typeof classes === 'number' ? classProblems(settings, classes, 'the task') : [];
  problems.push(...refusals(task, [...idleWeights(settings), ...counted]));
  return task;
}

/** Adds to `problems` where the task cannot be measured as it says. */
function primaryMetricOf(nameAt: Place, node: Located, settings: JsonObject, problems: Problems): string {
  const metric = isJsonObject(settings['metric']) ? settings['metric'] : {};
  const kind = jsonText(metric['kind']);
  if (settings['target'] === undefined && (kind !== 'sqnr' || settings['loss'] !== undefined))
    problems.push(wrongShape(nameAt, 'target', 'the target of the data set that the loss and the metric compare with'));
  const primary = primaryOf(settings);
  const measured = metricsOf(settings)?.map(({ name }) => name);
  if (measured !== undefined && !measured.includes(primary)) {
    const written = memberOf(memberOf(node, 'metric') ?? node, 'primary') ?? node;
    problems.push(wrongShape(innerPlace(written), 'primary', `one of ${measured.join(', ')}`));
  }
  return primary;
}

function activeProfile(
  spec: WorkflowSpec,
  params: Params,
  profiles: ReadonlyMap<string, ResolvedProfile>,
  problems: Problems,
): ResolvedProfile | undefined {
  const name = params.values['profile'];
  if (typeof name !== 'string' || spec.profiles.size === 0) return undefined;
  const written = memberOf(spec.params, 'profile');
  const at = params.setAt.get('profile') ?? (written === undefined ? undefined : innerPlace(written));
  if (!spec.profiles.has(name) && at !== undefined) problems.push(unknownProfile(at, name, [...spec.profiles.keys()]));
  return profiles.get(name);
}
