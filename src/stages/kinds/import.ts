// `import`: takes a trained float network from files; one checkpoint for the backbone and one per named head.
import schema from '../../../schemas/stages/import.schema.json' with { type: 'json' };
import { isJsonObject } from '../../support/json.ts';
import { jsonModule } from '../../support/json-module.ts';
import { checkpoint, headHeld, headOfTask, reportPort } from '../port-types.ts';
import type { OutputPort, StageContext, StageKind } from '../stage-kind.ts';

export const importKind: StageKind = {
  kind: 'import',
  summary: 'takes a trained float network from an ONNX file',
  settingsSchema: jsonModule(schema),
  runsOn: 'embedded',
  check: (context) =>
    context.tasks
      .filter((task) => !headNames(context).includes(headOfTask(task)))
      .map((task) => ({
        path: ['heads'],
        message: `task "${task.name}" has no head "${headOfTask(task)}" here`,
        help: `heads: ${headNames(context).join(', ')}`,
      })),
  ports: (context) => ({
    inputs: [],
    outputs: [
      {
        name: 'model',
        type: { artifact: 'model' },
        help: 'the network with its scopes named',
        heads: headNames(context).map((name) => ({ name })),
      },
      { name: 'backbone', type: checkpoint('backbone', ['float']), help: 'the trained backbone' },
      ...context.tasks.map((task): OutputPort => ({
        name: `head[${task.name}]`,
        type: checkpoint('head', ['float']),
        help: `the trained head of task "${task.name}"`,
        holds: headHeld(task),
      })),
      reportPort,
    ],
  }),
  jobSettings: ({ settings, tasks }) => {
    const { onnx: _onnx, weights: _weights, ...rest } = settings;
    return { ...rest, tasks: tasks.map((task) => ({ name: task.name, head: headOfTask(task) })) };
  },
  files: ({ settings }) =>
    ['onnx', 'weights'].flatMap((name) => {
      const path = settings[name];
      return typeof path === 'string' ? [{ name, path, at: [name] }] : [];
    }),
};

function headNames({ settings }: StageContext): readonly string[] {
  return isJsonObject(settings['heads']) ? Object.keys(settings['heads']) : [];
}
