// `add-head`: gives a model further heads on its boundary tensors; what is there already stays as it is.
import schema from '../../../schemas/stages/add-head.schema.json' with { type: 'json' };
import { isJsonObject } from '../../support/json.ts';
import type { Json, JsonObject } from '../../support/json.ts';
import { jsonModule } from '../../support/json-module.ts';
import { checkpoint, headHeld, headOfTask, modelPort, reportPort } from '../port-types.ts';
import type { OutputPort, ResolvedTask, StageContext, StageKind } from '../stage-kind.ts';

export const addHead: StageKind = {
  kind: 'add-head',
  summary: 'gives a model further heads on its boundary tensors',
  settingsSchema: jsonModule(schema),
  runsOn: 'embedded',
  seeded: true,
  check: (context) =>
    headsOf(context).flatMap(([name]) =>
      context.tasks.some((task) => headOfTask(task) === name)
        ? []
        : [{ path: ['heads', name], message: `no task of this workflow has a head "${name}"` }],
    ),
  ports: (context) => ({
    inputs: [{ ...modelPort, help: 'the network that the heads are added to' }],
    outputs: [
      {
        name: 'model',
        type: { artifact: 'model' },
        help: 'the network with the new heads',
        heads: headsOf(context).map(([name]) => ({ name })),
      },
      ...added(context).map((task): OutputPort => ({
        name: `head[${task.name}]`,
        type: checkpoint('head', ['float']),
        help: `the new head of task "${task.name}"`,
        holds: headHeld(task),
      })),
      reportPort,
    ],
  }),
  jobSettings: (context) => ({
    heads: Object.fromEntries(headsOf(context).map(([name, head]) => [name, withoutPath(head)])),
    tasks: added(context).map((task) => ({ name: task.name, head: headOfTask(task) })),
  }),
  files: (context) =>
    headsOf(context).flatMap(([name, head]) => {
      const file = isJsonObject(head) ? head['file'] : undefined;
      return typeof file === 'string' ? [{ name: `onnx[${name}]`, path: file, at: ['heads', name, 'file'] }] : [];
    }),
};

function headsOf({ settings }: StageContext): readonly (readonly [string, Json])[] {
  return isJsonObject(settings['heads']) ? Object.entries(settings['heads']) : [];
}

function added(context: StageContext): readonly ResolvedTask[] {
  const names = headsOf(context).map(([name]) => name);
  return context.tasks.filter((task) => names.includes(headOfTask(task)));
}

/** The file's contents are keyed instead. */
function withoutPath(head: Json): JsonObject {
  const { file: _file, ...rest } = isJsonObject(head) ? head : {};
  return rest;
}
