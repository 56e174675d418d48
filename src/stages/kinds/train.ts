// `train`: trains float scopes; a scope that is not listed comes in and is frozen.
import schema from '../../../schemas/stages/train.schema.json' with { type: 'json' };
import { jsonModule } from '../../support/json-module.ts';
import {
  checkpoint,
  input,
  modelPort,
  needsTask,
  reportPort,
  scopesIn,
  sortedScopes,
  taskSettings,
} from '../port-types.ts';
import type { StageKind } from '../stage-kind.ts';

const scopes = ['backbone', 'head'] as const;

export const train: StageKind = {
  kind: 'train',
  summary: 'trains float scopes',
  settingsSchema: jsonModule(schema),
  runsOn: 'embedded',
  seeded: true,
  check: (context) => needsTask(context, 'train'),
  ports: ({ settings, task }) => {
    const trained = scopesIn(settings, 'train');
    return {
      inputs: [
        modelPort,
        ...scopes.map((scope) =>
          trained.includes(scope)
            ? input(scope, checkpoint(scope, ['float']), `weights to start from instead of the model's own`, 'optional')
            : input(scope, checkpoint(scope, ['float']), `the frozen ${scope}`),
        ),
      ],
      outputs: [
        ...scopes
          .filter((scope) => trained.includes(scope))
          .map((scope) => ({ name: scope, type: checkpoint(scope, ['float']), help: `the trained ${scope}` })),
        reportPort,
      ],
      data: [{ port: 'data[train]', task: task?.name ?? '', split: 'train' as const }],
    };
  },
  jobSettings: ({ settings, task }) => ({
    train: sortedScopes(settings, 'train'),
    training: settings['training'] ?? {},
    ...(task === undefined ? {} : { task: taskSettings(task) }),
  }),
};
