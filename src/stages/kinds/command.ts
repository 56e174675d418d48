// `command`: a program of the user's own, with declared inputs, outputs and files.
import schema from '../../../schemas/stages/command.schema.json' with { type: 'json' };
import { isJsonObject, jsonText } from '../../support/json.ts';
import { jsonModule } from '../../support/json-module.ts';
import type { ArtifactType } from '../../events/job-protocol.ts';
import type { Finding, OutputPort, StageContext, StageKind } from '../stage-kind.ts';

const artifactTypes: readonly ArtifactType[] = [
  'dataset',
  'checkpoint',
  'model',
  'merged',
  'metrics',
  'report',
  'profile',
  'file',
];

export const command: StageKind = {
  kind: 'command',
  summary: 'runs a program',
  settingsSchema: jsonModule(schema),
  runsOn: 'command',
  seeded: true,
  check: (context) => [
    ...checkPlaceholders(context),
    ...checkFolder(context),
    ...checkOutputs(context),
    ...checkVariables(context),
  ],
  ports: (context) => ({ inputs: [], outputs: outputsOf(context), open: 'accept' }),
  jobSettings: ({ settings, task }) => ({ ...settings, ...(task === undefined ? {} : { task: task.name }) }),
  files: ({ settings }) => {
    const [program] = words(settings['argv']);
    const named = words(settings['files']).map((path, index) => ({ name: path, path, at: ['files', index] }));
    return program?.includes('/') === true ? [{ name: program, path: program, at: ['argv', 0] }, ...named] : named;
  },
};

function outputsOf({ settings }: StageContext): readonly OutputPort[] {
  const outputs = isJsonObject(settings['outputs']) ? settings['outputs'] : {};
  return Object.entries(outputs).map(([name, output]) => {
    const type = isJsonObject(output) ? output['type'] : undefined;
    const artifact = artifactTypes.find((known) => known === type) ?? 'file';
    return { name, type: { artifact }, help: 'written by the program' };
  });
}

/** Numbers are words too: `{ "$param": "learningRate" }` is an argument like any other. */
function words(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

/** `{input:port}`, `{input:port[key]}` and `{output:port}` inside arguments must name ports of this stage. */
function checkPlaceholders(context: StageContext): readonly Finding[] {
  const outputs = outputsOf(context).map((output) => output.name);
  return words(context.settings['argv']).flatMap((argument, index) =>
    [...argument.matchAll(/\{(input|output):([^{}[\]]+)(?:\[[^{}]*\])?\}/g)].flatMap(([text, what, port]) => {
      const known = what === 'input' ? context.given : outputs;
      if (port === undefined || known.includes(port)) return [];
      const help = known.length === 0 ? `the stage has no ${what}s` : `${what}s: ${known.join(', ')}`;
      return [{ path: ['argv', index], message: `"${text}" names no ${what} of this stage`, help }];
    }),
  );
}

/** The project is what the root holds: what a program changes elsewhere nobody looks at. */
function checkFolder({ settings }: StageContext): readonly Finding[] {
  const cwd = jsonText(settings['cwd']);
  if (!leaves(cwd)) return [];
  return [{ path: ['cwd'], message: `"${cwd}" leaves the workflow's root`, help: 'name a folder below --root' }];
}

function checkOutputs({ settings }: StageContext): readonly Finding[] {
  const outputs = isJsonObject(settings['outputs']) ? Object.entries(settings['outputs']) : [];
  return outputs.flatMap(([name, output]) => {
    const path = isJsonObject(output) ? jsonText(output['path']) : '';
    if (path.includes('\0') || path.split('/').every((step) => step === '' || step === '.')) {
      return [
        {
          path: ['outputs', name, 'path'],
          message: `${JSON.stringify(path)} names no file`,
          help: "write a path below the job's output folder",
        },
      ];
    }
    return leaves(path)
      ? [
          {
            path: ['outputs', name, 'path'],
            message: `"${path}" leaves the job's output folder`,
            help: 'write a relative path without ".."',
          },
        ]
      : [];
  });
}

function leaves(path: string): boolean {
  return path.startsWith('/') || path.split(/[/\\]/).includes('..');
}

function checkVariables({ settings }: StageContext): readonly Finding[] {
  const variables = isJsonObject(settings['env']) ? Object.entries(settings['env']) : [];
  return variables.flatMap(([name, variable]) =>
    isJsonObject(variable) && variable['secret'] === true && variable['default'] !== undefined
      ? [
          {
            path: ['env', name, 'default'],
            message: `"${name}" is a secret and stands in the workflow`,
            help: 'leave the default out; the environment has the value',
          },
        ]
      : [],
  );
}
