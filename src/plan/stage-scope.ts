// What one stage of the file may look at for one item: parameters, arguments, the item's fields, its task and its profile.
// The same for stages that run and for groups; what the group around it knows is handed on.
import { conditionNotBoolean, unknownProfile, unknownTask, wrongShape } from '../diagnostics/catalogue/parameters.ts';
import { innerPlace, memberOf, toJson, withMembers } from '../diagnostics/located-json.ts';
import type { Located } from '../diagnostics/located-json.ts';
import { substitute } from '../expression/substitution.ts';
import type { Scope } from '../expression/substitution.ts';
import type { StageSpec } from '../spec/workflow-spec.ts';
import type { Declarations } from './declarations.ts';
import type { Item } from './items.ts';
import type { Namespace, PlannedTask, Problems, Requirement, ResolvedProfile, Surroundings } from './instance.ts';

/** What the place gives to every stage in it. */
export interface Around {
  readonly from: Surroundings;
  readonly scope: Scope;
  readonly task: PlannedTask | undefined;
  readonly profile: ResolvedProfile | undefined;
  readonly required: readonly Requirement[];
  /** Iterations of a loop, for the gate that judges them. */
  readonly timed?: readonly Namespace[];
  /** Templates that are being expanded around it, outermost first. */
  readonly templates: readonly string[];
}

export interface StageScope {
  readonly around: Around;
  /** Undefined for a stage that is not repeated. */
  readonly key: string | undefined;
  readonly scope: Scope;
  readonly from: Surroundings;
  readonly task: PlannedTask | undefined;
  readonly profile: ResolvedProfile | undefined;
}

/** Undefined when something is wrong, which `problems` then says. */
export function stageScope(
  declarations: Declarations,
  spec: StageSpec,
  item: Item,
  around: Around,
  problems: Problems,
): StageScope | 'disabled' | undefined {
  const before = problems.length;
  const repeated = item.key !== '';
  let scope: Scope = repeated
    ? { ...around.scope, item: { key: item.key, fields: item.fields, node: item.node } }
    : around.scope;
  const resolve = (node: Located): Located | undefined => substitute(node, scope, problems);

  let task = around.task;
  if (item.task !== undefined) task = declarations.tasks.get(item.task);
  else if (spec.task !== undefined) {
    task = taskNamed(declarations, resolve(spec.task), problems);
    if (task === undefined) return undefined;
  }
  const own = repeated || spec.task !== undefined;
  if (own) {
    const key = repeated ? item.key : (task?.name ?? '');
    const { fields, node } = item;
    const ofTask = repeated && item.task === undefined && spec.task === undefined ? undefined : task;
    scope = {
      ...scope,
      item:
        ofTask === undefined
          ? { key, fields, node }
          : { key, fields: { ...ofTask.settings, ...fields }, node: withMembers(ofTask.node, node) },
    };
  }
  const keys = [...item.keys, ...(task !== undefined && own ? [task.name] : []), ...around.from.keys];
  const profile = profileOf(declarations, spec, around, resolve, problems);
  if (problems.length > before) return undefined;
  if (profile !== undefined) scope = { ...scope, profile };
  if (!isEnabled(spec, resolve, problems)) return problems.length > before ? undefined : 'disabled';
  return {
    around,
    key: repeated ? item.key : undefined,
    scope,
    from: { namespace: around.from.namespace, keys: [...new Set(keys)] },
    task,
    profile,
  };
}

function taskNamed(
  { tasks, spec }: Declarations,
  node: Located | undefined,
  problems: Problems,
): PlannedTask | undefined {
  if (node === undefined) return undefined;
  if (node.type !== 'string') return void problems.push(wrongShape(node.at, 'task', 'the name of a task'));
  // A declared task that is malformed has been reported where it stands.
  const declared = [...spec.tasks.keys()];
  if (!declared.includes(node.value)) problems.push(unknownTask(innerPlace(node), node.value, declared));
  return tasks.get(node.value);
}

function profileOf(
  { profiles, activeProfile, spec: workflow }: Declarations,
  spec: StageSpec,
  around: Around,
  resolve: (node: Located) => Located | undefined,
  problems: Problems,
): ResolvedProfile | undefined {
  const written = memberOf(spec.with, 'profile') ?? spec.profile;
  const node = written === undefined ? undefined : resolve(written);
  if (node?.type !== 'string') return around.profile ?? activeProfile;
  if (!workflow.profiles.has(node.value))
    problems.push(unknownProfile(innerPlace(node), node.value, [...workflow.profiles.keys()]));
  return profiles.get(node.value);
}

function isEnabled(
  { enabled }: StageSpec,
  resolve: (node: Located) => Located | undefined,
  problems: Problems,
): boolean {
  if (enabled === undefined) return true;
  const node = resolve(enabled);
  if (node === undefined) return false;
  if (node.type === 'boolean') return node.value;
  problems.push(conditionNotBoolean(node.at, JSON.stringify(toJson(node))));
  return false;
}
