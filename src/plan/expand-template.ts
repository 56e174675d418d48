// A stage of kind template → a group: the template's stages in a namespace of their own, with the arguments and inputs
// that the stage gives.
import {
  fieldNotTaken,
  templateCycle,
  templateInputMissing,
  templateInputUnknown,
  templateMissing,
  unknownArgument,
  unknownTemplate,
} from '../diagnostics/catalogue/groups.ts';
import { innerPlace } from '../diagnostics/located-json.ts';
import type { Located } from '../diagnostics/located-json.ts';
import { substitute } from '../expression/substitution.ts';
import type { StageSpec, TemplateSpec } from '../spec/workflow-spec.ts';
import { instanceName } from './build-instance.ts';
import type { Expander } from './expander.ts';
import type { GivenBinding, Namespace, Requirement, StageGroup } from './instance.ts';
import { mergeParams, type Params } from './params.ts';
import type { Around, StageScope } from './stage-scope.ts';

export function expandTemplate(expander: Expander, spec: StageSpec, own: StageScope): StageGroup | undefined {
  const { declarations, problems } = expander;
  refuseFields(expander, spec, []);
  const before = problems.length;
  const name = spec.template && substitute(spec.template, own.scope, problems);
  if (problems.length > before) return undefined;
  if (name?.type !== 'string') return void problems.push(templateMissing(spec.nameAt, spec.name));
  const { templates } = declarations.spec;
  const template = templates.get(name.value);
  if (template === undefined)
    return void problems.push(unknownTemplate(innerPlace(name), name.value, [...templates.keys()]));
  const { templates: open } = own.around;
  if (open.includes(template.name)) {
    const chain = [...open.slice(open.indexOf(template.name)), template.name];
    return void problems.push(templateCycle(innerPlace(name), chain));
  }
  const args = argumentsOf(expander, spec, template, own);
  const bindings = inputsOf(expander, spec, template, own);
  if (args === undefined || bindings === undefined) return undefined;

  const namespace: Namespace = {
    ...pathsOf(spec, own),
    fanOuts: new Map(),
    outer: undefined,
    given: { word: 'inputs', bindings },
  };
  const { iteration: _outside, ...scope } = own.scope;
  const around: Around = {
    ...insideOf(spec, own, namespace),
    scope: { ...scope, args: { template: template.name, values: args.values, node: args.node } },
    templates: [...open, template.name],
  };
  expander.expand(template.stages.values(), around);
  const outputs = new Map([...template.outputs].map(([port, { node }]) => [port, node]));
  return { id: `${own.from.namespace.path}${instanceName(spec.name, own.key)}`, spec, inside: around.from, outputs };
}

/** `head[detection]/` and `head/`, behind what the surroundings have. */
export function pathsOf(spec: StageSpec, own: StageScope): Pick<Namespace, 'path' | 'pathName'> {
  const { path, pathName } = own.from.namespace;
  return { path: `${path}${instanceName(spec.name, own.key)}/`, pathName: `${pathName}${spec.name}/` };
}

/** What every stage inside a group takes over from it. */
export function insideOf(spec: StageSpec, own: StageScope, namespace: Namespace): Around {
  const { around, scope, task, profile, from } = own;
  const required: readonly Requirement[] =
    spec.after === undefined ? around.required : [...around.required, { node: spec.after, from }];
  return { from: { namespace, keys: from.keys }, scope, task, profile, required, templates: around.templates };
}

function argumentsOf(
  { problems }: Expander,
  spec: StageSpec,
  template: TemplateSpec,
  own: StageScope,
): Params | undefined {
  const before = problems.length;
  const given = spec.with === undefined ? undefined : substitute(spec.with, own.scope, problems);
  const defaults = template.args && substitute(template.args, own.scope, problems);
  const merged = mergeParams(defaults, given === undefined ? [] : [given], [], problems, (at, path, known) =>
    unknownArgument(at, path, template.name, known),
  );
  return problems.length > before ? undefined : merged;
}

function inputsOf(
  { problems }: Expander,
  spec: StageSpec,
  template: TemplateSpec,
  own: StageScope,
): ReadonlyMap<string, GivenBinding | 'left out'> | undefined {
  const before = problems.length;
  const bindings = new Map<string, GivenBinding | 'left out'>();
  for (const { port, portAt, node } of spec.inputs.values()) {
    if (!template.inputs.has(port)) {
      problems.push(templateInputUnknown(portAt, template.name, port, [...template.inputs.keys()]));
      continue;
    }
    const resolved: Located | undefined = substitute(node, own.scope, problems);
    if (resolved !== undefined) bindings.set(port, { node: resolved, from: own.from });
  }
  for (const { name, optional } of template.inputs.values()) {
    if (bindings.has(name)) continue;
    if (optional) bindings.set(name, 'left out');
    else if (!spec.inputs.has(name)) problems.push(templateInputMissing(spec.nameAt, spec.name, template.name, name));
  }
  return problems.length > before ? undefined : bindings;
}

type Field = 'cases' | 'role' | 'with' | 'threads' | 'seed' | 'resources' | 'retry' | 'timeout';

/** A group runs nothing itself: what only a job or a gate could use would be ignored, so it is refused. */
export function refuseFields({ problems }: Expander, spec: StageSpec, fields: readonly Field[]): void {
  for (const field of [...fields, 'threads', 'seed', 'resources', 'retry', 'timeout', 'cases', 'role'] as const) {
    const node = spec[field];
    if (node !== undefined)
      problems.push(fieldNotTaken(node.at, field, spec.kind.value, 'give it to the stages inside'));
  }
}
