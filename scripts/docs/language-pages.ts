// docs/reference/workflow.md, kinds.md and files.md: what can be written in a workflow, and in the files around it.
import type { StageKind } from '../../src/stages/stage-kind.ts';
import { isJsonObject, jsonText } from '../../src/support/json.ts';
import type { JsonObject } from '../../src/support/json.ts';
import { portsOf } from './kind-ports.ts';
import { anchor, generatedNote, settingsTable, table } from './markdown.ts';
import { arityWords, typeWords } from './port-words.ts';
import type { SchemaRoots } from './schema-samples.ts';
import { SchemaWords, type LinkOf } from './schema-words.ts';

const note = generatedNote('npm run reference');

export function workflowPage(workflow: JsonObject, roots: SchemaRoots): string {
  const words = new SchemaWords(roots, (reference) => {
    const name = /^#\/\$defs\/(\w+)$/.exec(reference)?.[1];
    return name === undefined ? 'see its page' : `[${titleOf(name)}](#${anchor(titleOf(name))})`;
  });
  const defs = isJsonObject(workflow['$defs']) ? Object.entries(workflow['$defs']) : [];
  const parts = defs.flatMap(([name, schema]) => {
    if (!isJsonObject(schema)) return [];
    const inner = isJsonObject(schema['then']) ? schema['then'] : {};
    const rows = [...words.rows(schema, workflow), ...words.rows(inner, workflow)];
    // What others refer to has a comment instead: editors would show its description in place of theirs.
    const said = jsonText(schema['description'] ?? schema['$comment']);
    const form = rows.length === 0 ? `Type: ${words.type(schema, workflow)}.` : settingsTable(rows);
    return [`## ${titleOf(name)}`, ...(said === '' ? [] : [said]), form];
  });
  return page([
    '# Reference: workflow',
    note,
    `${jsonText(workflow['description'])} How the parts work together: [the workflow language](../language.md).`,
    '## Workflow',
    settingsTable(words.rows(workflow, workflow)),
    ...parts,
  ]);
}

export function kindsPage(kinds: readonly StageKind[], roots: SchemaRoots): string {
  const words = new SchemaWords(roots, linkToFiles);
  const sections = kinds.flatMap((kind) => {
    const rows = words.rows(kind.settingsSchema, kind.settingsSchema);
    return [
      `## ${kind.kind}`,
      jsonText(kind.settingsSchema['description']),
      `Runs ${whereWords(kind)}.${kind.seeded === true ? ' Draws random numbers from its seed.' : ''}${kind.role === 'gate' ? ` Has \`cases\`: see [${titles.cases}](files.md#${anchor(titles.cases)}) and [gates](../gates.md).` : ''}`,
      ...(rows.length === 0 ? ['It has no settings.'] : [settingsTable(rows)]),
      ...portTables(kind, roots),
    ];
  });
  return page([
    '# Reference: stage kinds',
    note,
    'What stands under `with` and `inputs` of a stage, by its `kind`. Fields that all stages have are in [workflow](workflow.md). A package can bring [kinds of its own](../library.md).',
    table(
      ['kind', 'what it does'],
      kinds.map(({ kind, summary }) => [`[${kind}](#${anchor(kind)})`, summary]),
    ),
    ...sections,
  ]);
}

function portTables(kind: StageKind, roots: SchemaRoots): readonly string[] {
  const { inputs, outputs, data, open } = portsOf(kind, roots);
  const openWords =
    open === 'accept'
      ? ['Takes inputs of any name and type.']
      : open === 'forward'
        ? ['Takes inputs of any name and type, and gives each as an output of the same name.']
        : [];
  const dataWords =
    data.length === 0 ? [] : [`Reads the task's data by itself: ${data.map((split) => `\`${split}\``).join(' or ')}.`];
  return [
    ...(inputs.length === 0
      ? []
      : [
          table(
            ['input', 'takes', 'how many', 'what it is'],
            inputs.map((port) => [`\`${port.name}\``, typeWords(port.type), arityWords[port.arity], port.help]),
          ),
        ]),
    ...openWords,
    ...dataWords,
    ...(outputs.length === 0
      ? []
      : [
          table(
            ['output', 'is', 'what it is'],
            outputs.map((port) => [`\`${shown(port.name)}\``, typeWords(port.type), port.help]),
          ),
        ]),
  ];
}

const titles = {
  cases: 'Cases of a gate',
  task: 'Tasks',
  profile: 'Profiles',
  training: 'Training',
  dataset: 'Description of a data set',
  job: 'Job protocol',
  kind: 'Stage kinds of a package',
} as const;

const files: readonly (readonly [keyof typeof titles, string, string])[] = [
  ['cases', 'gate-cases', 'Under `cases` of a gate.'],
  ['task', 'task', 'Under `tasks` of a workflow, by name.'],
  ['profile', 'profile', 'Under `profiles` of a workflow, by name.'],
  ['training', 'training', 'Under `with.training` of the kinds that train.'],
  ['dataset', 'dataset', 'A JSON file in the folder of a data set.'],
  ['job', 'job', 'The rules are told in [the job protocol](../job-protocol.md).'],
  ['kind', 'kind', 'The JSON files that a package lists under `headgate.kinds`; see [the library](../library.md).'],
];

export function filesPage(roots: SchemaRoots): string {
  const words = new SchemaWords(roots, linkToFiles);
  const sections = files.flatMap(([key, file, where]) => {
    const schema = roots.get(`headgate:/schemas/${file}.schema.json`);
    if (schema === undefined) return [];
    return [
      `## ${titles[key]}`,
      `${jsonText(schema['description'])} ${where} Schema: [${file}.schema.json](../../schemas/${file}.schema.json).`,
      ...documentTables(words, schema, key === 'cases' ? 'cases' : ''),
    ];
  });
  return page([
    '# Reference: parts and files',
    note,
    'What stands in a workflow beside its stages, and in the files around it.',
    ...sections,
  ]);
}

/** One table, or one per alternative document where a schema is several. */
function documentTables(words: SchemaWords, schema: JsonObject, prefix: string): readonly string[] {
  const rows = words.rows(schema, schema, prefix);
  if (rows.length > 0) return [settingsTable(rows)];
  const defs = isJsonObject(schema['$defs']) ? schema['$defs'] : {};
  const alternatives = Array.isArray(schema['oneOf']) ? (schema['oneOf'] as readonly JsonObject[]) : [];
  return alternatives.flatMap(({ $ref: reference }) => {
    const target = defs[jsonText(reference).replace('#/$defs/', '')];
    if (!isJsonObject(target)) return [];
    const inner = words.rows(target, schema);
    const branches = (Array.isArray(target['oneOf']) ? (target['oneOf'] as readonly JsonObject[]) : []).flatMap(
      (branch) => words.rows(branch, schema),
    );
    return [
      `### ${jsonText(target['title'])}`,
      jsonText(target['description']),
      settingsTable([...inner, ...branches]),
    ];
  });
}

const linkToFiles: LinkOf = (reference) =>
  reference.endsWith('/training.schema.json') ? `[training](files.md#${anchor(titles.training)})` : undefined;

function whereWords({ runsOn }: StageKind): string {
  switch (runsOn) {
    case 'embedded':
      return 'in a worker process of its own';
    case 'command':
      return 'the program that it names';
    case 'program':
      return "a package's program";
    case 'engine':
      return "in the engine's own process, in no time";
  }
}

/** `head[task]` stands for one per task. */
function shown(port: string): string {
  return port.replace('[task]', '[<task>]');
}

function titleOf(definition: string): string {
  const spaced = definition.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

function page(parts: readonly string[]): string {
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}
