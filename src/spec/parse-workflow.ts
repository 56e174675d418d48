// Source text → WorkflowSpec: JSON, then the schema; all problems are collected before giving up.
import workflowSchema from '../../schemas/workflow.schema.json' with { type: 'json' };
import { missingKey } from '../diagnostics/catalogue/schema.ts';
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import { memberOf } from '../diagnostics/located-json.ts';
import type { Located, LocatedString, Member } from '../diagnostics/located-json.ts';
import type { SourceDocument } from '../diagnostics/source.ts';
import { err, ok } from '../support/result.ts';
import type { Result } from '../support/result.ts';
import { parseJson } from './json-syntax.ts';
import { jsonModule } from '../support/json-module.ts';
import { checkSchema, descriptionIn } from './schema-check.ts';
import type {
  CarrySpec,
  InputSpec,
  LoopSpec,
  NamedNode,
  StageSpec,
  TemplateInput,
  TemplateSpec,
  WorkflowSpec,
} from './workflow-spec.ts';

const schema = jsonModule(workflowSchema);
export function parseWorkflow(
  source: SourceDocument,
  role: 'workflow' | 'part' = 'workflow',
): Result<WorkflowSpec, readonly Diagnostic[]> {
  const root = parseJson(source);
  if (!root.ok) return root;
  const valid = checkSchema(schema, root.value, role === 'workflow' ? 'the workflow' : 'the included file');
  const missing = role === 'workflow' ? missingFrom(root.value) : [];
  if (!valid.ok || missing.length > 0) return err([...(valid.ok ? [] : valid.error), ...missing]);
  const read = (key: string): Located | undefined => memberOf(root.value, key);
  const include = read('include');
  return ok({
    source,
    sources: [source],
    name: textOf(read('name')),
    include: include?.type === 'array' ? include.items : [],
    params: read('params'),
    kinds: read('kinds'),
    paramsSchemas: [read('paramsSchema')].filter((node) => node !== undefined),
    profiles: mapMembers(read('profiles'), namedNode),
    tasks: mapMembers(read('tasks'), namedNode),
    model: root.value.type === 'object' ? root.value.members.get('model') : undefined,
    templates: mapMembers(read('templates'), templateSpec),
    stages: mapMembers(read('stages'), stageSpec),
    outputs: read('outputs') === undefined ? undefined : mapMembers(read('outputs'), namedNode),
  });
}

/** What only a whole workflow needs; its stages may come from files that it includes. */
function missingFrom(root: Located): readonly Diagnostic[] {
  if (root.type !== 'object') return [];
  const needed = root.members.has('include') ? ['name'] : ['name', 'stages'];
  return needed
    .filter((key) => !root.members.has(key))
    .map((key) => missingKey({ ...root.at, length: 1 }, key, 'the workflow', descriptionIn(schema, key)));
}

function templateSpec({ key: name, keyAt: nameAt, value }: Member): TemplateSpec {
  return {
    name,
    nameAt,
    args: memberOf(value, 'args'),
    inputs: mapMembers(memberOf(value, 'inputs'), templateInput),
    stages: mapMembers(memberOf(value, 'stages'), stageSpec),
    outputs: mapMembers(memberOf(value, 'outputs'), inputSpec),
  };
}

function templateInput({ key: name, value }: Member): TemplateInput {
  const optional = memberOf(value, 'optional');
  return { name, optional: optional?.type === 'boolean' && optional.value };
}

function stageSpec({ key: name, keyAt: nameAt, value }: Member): StageSpec {
  const read = (key: string): Located | undefined => memberOf(value, key);
  return {
    name,
    nameAt,
    kind: read('kind') as LocatedString,
    role: read('role'),
    task: read('task'),
    forEach: read('forEach'),
    enabled: read('enabled'),
    inputs: mapMembers(read('inputs'), inputSpec),
    after: read('after'),
    with: read('with'),
    cases: read('cases'),
    casesAt: value.type === 'object' ? value.members.get('cases')?.keyAt : undefined,
    threads: read('threads'),
    seed: read('seed'),
    resources: read('resources'),
    retry: read('retry'),
    timeout: read('timeout'),
    profile: read('profile'),
    template: read('template'),
    loop: loopSpec(value),
  };
}

const loopFields = ['carry', 'body', 'until', 'maxIterations', 'budget', 'onExhausted', 'outputs'];

function loopSpec(stage: Located): LoopSpec | undefined {
  const members = stage.type === 'object' ? [...stage.members.values()] : [];
  const first = members.find(({ key }) => loopFields.includes(key));
  if (first === undefined) return undefined;
  return {
    field: { text: first.key, at: first.keyAt },
    carry: mapMembers(memberOf(stage, 'carry'), carrySpec),
    body: mapMembers(memberOf(stage, 'body'), stageSpec),
    until: memberOf(stage, 'until'),
    maxIterations: memberOf(stage, 'maxIterations'),
    budget: memberOf(stage, 'budget'),
    onExhausted: memberOf(stage, 'onExhausted'),
    outputs: mapMembers(memberOf(stage, 'outputs'), inputSpec),
  };
}

function carrySpec({ key: name, keyAt: nameAt, value }: Member): CarrySpec {
  // The schema requires both.
  return { name, nameAt, first: memberOf(value, 'first') ?? value, next: memberOf(value, 'next') ?? value };
}

function inputSpec({ key: port, keyAt: portAt, value: node }: Member): InputSpec {
  return { port, portAt, node };
}

function namedNode({ key: name, keyAt: nameAt, value: node }: Member): NamedNode {
  return { name, nameAt, node };
}

function mapMembers<T>(node: Located | undefined, make: (member: Member) => T): ReadonlyMap<string, T> {
  if (node?.type !== 'object') return new Map();
  return new Map([...node.members].map(([key, member]) => [key, make(member)]));
}

function textOf(node: Located | undefined): string {
  return node?.type === 'string' ? node.value : '';
}
