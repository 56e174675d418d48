// `release`: takes a merged, quantised model of an earlier run from its folder; nothing of it may change from here on.
import schema from '../../../schemas/stages/release.schema.json' with { type: 'json' };
import { jsonModule } from '../../support/json-module.ts';
import { checkpoint, headHeld, headOfTask, quantizedStates, reportPort, scopesIn } from '../port-types.ts';
import type { OutputPort, ResolvedTask, StageContext, StageKind } from '../stage-kind.ts';

export const release: StageKind = {
  kind: 'release',
  summary: 'takes a released, quantised model to add heads to',
  settingsSchema: jsonModule(schema),
  runsOn: 'embedded',
  check: ({ settings, tasks }) =>
    scopesIn(settings, 'tasks').flatMap((name, index) =>
      tasks.some((task) => task.name === name)
        ? []
        : [
            {
              path: ['tasks', index],
              message: `"${name}" is no task of this workflow`,
              help: `tasks: ${tasks.map((task) => task.name).join(', ')}`,
            },
          ],
    ),
  ports: (context) => ({
    inputs: [],
    outputs: [
      {
        name: 'merged',
        type: { artifact: 'merged' },
        help: 'the released model, for the proof that it stays as it is',
      },
      { name: 'model', type: { artifact: 'model' }, help: 'its float network with its scopes named' },
      { name: 'backbone', type: checkpoint('backbone', quantizedStates), help: 'its backbone with its scales' },
      {
        name: 'float',
        type: checkpoint('backbone', ['float']),
        help: "its backbone's weights without quantisers, for what is measured against float",
      },
      ...released(context).map((task): OutputPort => ({
        name: `head[${task.name}]`,
        type: checkpoint('head', quantizedStates),
        help: `the released head of task "${task.name}"`,
        holds: { ...headHeld(task), on: 'output' },
      })),
      reportPort,
    ],
  }),
  jobSettings: (context) => {
    const { digest } = context.settings;
    return {
      tasks: released(context).map((task) => ({ name: task.name, head: headOfTask(task) })),
      ...(digest === undefined || digest === null ? {} : { digest }),
    };
  },
  files: ({ settings }) =>
    typeof settings['folder'] === 'string' ? [{ name: 'folder', path: settings['folder'], at: ['folder'] }] : [],
};

/** In the order of the workflow's tasks, whatever the setting's. */
function released({ settings, tasks }: StageContext): readonly ResolvedTask[] {
  const names = scopesIn(settings, 'tasks');
  return tasks.filter((task) => names.includes(task.name));
}
