// `command`: a program of the user's own, with declared inputs, outputs and files.
import schema from '../../../schemas/stages/command.schema.json' with { type: 'json' };
import { isJsonObject } from '../../support/json.ts';
import { jsonModule } from '../../support/json-module.ts';
import type { ArtifactType } from '../../events/job-protocol.ts';
import type { OutputPort, StageContext, StageKind } from '../stage-kind.ts';

const artifactTypes: readonly ArtifactType[] = [
  'dataset',
  'checkpoint',
  'model',
  'merged',
  'metrics',
  'report',
  'file',
];

export const command: StageKind = {
  kind: 'command',
  summary: 'runs a program',
  settingsSchema: jsonModule(schema),
  runsOn: 'command',
  seeded: true,
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

function words(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((word) => typeof word === 'string') : [];
}
