// schemas/as-written.schema.json: tasks, profiles, gates' cases and the settings of every built-in kind as they may be
// written in a workflow, that is with a substitution wherever a value is expected. For editors only; the engine checks the
// same parts against the schemas that this is made from, after it has substituted.
import { groupKinds } from '../../src/stages/group-kinds.ts';
import type { StageKind } from '../../src/stages/stage-kind.ts';
import { isJsonObject, jsonText } from '../../src/support/json.ts';
import type { JsonObject } from '../../src/support/json.ts';
import { builtInKindsOnly } from './built-in-kinds.ts';
import { portsOf, type KindPorts } from './kind-ports.ts';
import { loosen as loosenSchema } from './loosen.ts';
import { arityWords, typeWords } from './port-words.ts';
import type { SchemaRoots } from './schema-samples.ts';

export interface SchemaParts {
  readonly workflow: JsonObject;
  readonly task: JsonObject;
  readonly profile: JsonObject;
  readonly cases: JsonObject;
  readonly roots: SchemaRoots;
  readonly kinds: readonly StageKind[];
}

export function asWrittenSchema(parts: SchemaParts): JsonObject {
  const shared: { [name: string]: JsonObject } = {};
  const loosen = (schema: JsonObject, name: string): JsonObject => loosenSchema(schema, name, parts.roots, shared);
  const kinds = parts.kinds.map((kind): [string, JsonObject] => {
    const settings = loosen(kind.settingsSchema, kind.kind);
    return [`kind.${kind.kind}`, kindSchema(kind, settings, portsOf(kind, parts.roots))];
  });
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: 'headgate:/schemas/as-written.schema.json',
    title: 'settings as written',
    description:
      'Tasks, profiles, cases and the settings of every built-in kind as they may be written in a workflow: wherever a value is expected, a substitution may stand. Made by `npm run schemas` from the other schemas; not to be edited.',
    $defs: {
      workflow: workflowSchema(loosen(parts.task, 'task'), loosen(parts.profile, 'profile')),
      stage: stageSchema(parts.kinds),
      cases: loosen(parts.cases, 'cases'),
      ...Object.fromEntries(kinds),
      ...shared,
      ...substitution(parts.workflow),
      ...builtInKindsOnly(
        parts.workflow,
        [...parts.kinds, ...groupKinds].map(({ kind }) => kind),
      ),
    },
  };
}

function workflowSchema(task: JsonObject, profile: JsonObject): JsonObject {
  return {
    properties: { tasks: { additionalProperties: task }, profiles: { additionalProperties: profile } },
    // A package's kinds are not known here.
    if: { not: { required: ['kinds'] } },
    then: { $ref: '#/$defs/builtInKinds' },
    allOf: [wholeWorkflow],
  };
}

/** What the engine asks of the file that it is given and not of those that one includes: an editor tells them by their schema. */
const wholeWorkflow: JsonObject = {
  if: { properties: { $schema: { pattern: 'part\\.schema\\.json$' } }, required: ['$schema'] },
  else: { required: ['name'], if: { not: { required: ['include'] } }, then: { required: ['stages'] } },
};

function stageSchema(kinds: readonly StageKind[]): JsonObject {
  const names = [...kinds, ...groupKinds].map(({ kind }) => kind);
  const descriptions = [...kinds.map(descriptionOf), ...groupKinds.map(({ summary }) => summary)];
  return {
    properties: {
      kind: { anyOf: [{ enum: names, enumDescriptions: descriptions }, { type: 'string' }] },
    },
    allOf: kinds.map(({ kind }) => ({
      if: { required: ['kind'], properties: { kind: { const: kind } } },
      then: { $ref: `#/$defs/kind.${kind}` },
    })),
  };
}

function kindSchema(kind: StageKind, settings: JsonObject, ports: KindPorts): JsonObject {
  const required = kind.settingsSchema['required'];
  const inputs = ports.inputs.map((port): [string, JsonObject] => [
    port.name,
    { description: `${capital(port.help)}. Takes ${typeWords(port.type)}: ${arityWords[port.arity]}.` },
  ]);
  const data = ports.data.map((split): [string, JsonObject] => [
    `data[${split}]`,
    { description: `The stage's ${split} data; by default that of its task.`, doNotSuggest: true },
  ]);
  return {
    properties: {
      with: settings,
      inputs: {
        properties: Object.fromEntries([...inputs, ...data]),
        ...(ports.open === undefined ? { additionalProperties: false } : {}),
      },
      ...(kind.role === 'gate' ? { cases: { $ref: '#/$defs/cases' } } : { cases: false }),
    },
    required: [...(Array.isArray(required) ? ['with'] : []), ...(kind.role === 'gate' ? ['cases'] : [])],
  };
}

/** The same substitutions as everywhere in a workflow, with a line to start from for each. */
function substitution(workflow: JsonObject): { readonly [name: string]: JsonObject } {
  const defs = workflow['$defs'];
  const written = isJsonObject(defs) ? defs['substitution'] : undefined;
  if (!isJsonObject(written)) throw new Error('the workflow schema has no $defs/substitution');
  // Its own description would hide that of the setting that it stands for.
  const { description: _description, ...form } = written;
  const snippet = (label: string, body: JsonObject): JsonObject => ({ label, body });
  return {
    substitution: {
      ...form,
      // Says so even of a key that has no value yet, which is when an editor asks what could stand there.
      propertyNames: { pattern: '^\\$' },
      defaultSnippets: [
        snippet('{"$param": …}', { $param: '$1' }),
        snippet('{"$each": …}', { $each: '$1' }),
        snippet('{"$profile": …}', { $profile: '$1' }),
      ],
    },
  };
}

function descriptionOf(kind: StageKind): string {
  return jsonText(kind.settingsSchema['description'] ?? kind.summary);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
