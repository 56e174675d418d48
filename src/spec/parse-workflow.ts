// Source text → WorkflowSpec: JSON, then the schema; all problems are collected before giving up.
import workflowSchema from '../../schemas/workflow.schema.json' with { type: 'json' };
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import { memberOf } from '../diagnostics/located-json.ts';
import type { Located, LocatedString, Member } from '../diagnostics/located-json.ts';
import type { SourceDocument } from '../diagnostics/source.ts';
import { err, ok } from '../support/result.ts';
import type { Result } from '../support/result.ts';
import { parseJson } from './json-syntax.ts';
import { jsonModule } from '../support/json-module.ts';
import { checkSchema } from './schema-check.ts';
import type { InputSpec, NamedNode, StageSpec, WorkflowSpec } from './workflow-spec.ts';

const schema = jsonModule(workflowSchema);

export function parseWorkflow(source: SourceDocument): Result<WorkflowSpec, readonly Diagnostic[]> {
  const root = parseJson(source);
  if (!root.ok) return root;
  const valid = checkSchema(schema, root.value, 'the workflow');
  if (!valid.ok) return err(valid.error);
  const read = (key: string): Located | undefined => memberOf(root.value, key);
  return ok({
    source,
    name: textOf(read('name')),
    params: read('params'),
    kinds: read('kinds'),
    profiles: mapMembers(read('profiles'), namedNode),
    tasks: mapMembers(read('tasks'), namedNode),
    modelFrom: memberOf(read('model'), 'from'),
    stages: mapMembers(read('stages'), stageSpec),
  });
}

function stageSpec({ key: name, keyAt: nameAt, value }: Member): StageSpec {
  const read = (key: string): Located | undefined => memberOf(value, key);
  return {
    name,
    nameAt,
    kind: read('kind') as LocatedString,
    role: textOf(read('role')),
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
  };
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
