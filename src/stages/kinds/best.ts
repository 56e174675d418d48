// `best`: of several candidates, forwards everything of the one whose metric is best.
import schema from '../../../schemas/stages/best.schema.json' with { type: 'json' };
import { jsonModule } from '../../support/json-module.ts';
import { input } from '../port-types.ts';
import type { StageKind } from '../stage-kind.ts';

export const best: StageKind = {
  kind: 'best',
  summary: 'forwards the best of several candidates',
  settingsSchema: jsonModule(schema),
  runsOn: 'engine',
  ports: () => ({
    inputs: [input('metrics', { artifact: 'metrics' }, 'the metrics of every candidate, by its key', 'collect')],
    outputs: [],
    open: 'forward-best',
  }),
  jobSettings: ({ settings }) => ({ metric: settings['metric'] ?? 'primary' }),
};
