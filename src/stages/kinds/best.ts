// `best`: of several candidates, forwards everything of the one whose metric is best.
import schema from '../../../schemas/stages/best.schema.json' with { type: 'json' };
import { jsonModule } from '../../support/json-module.ts';
import { jsonText } from '../../support/json.ts';
import { input } from '../port-types.ts';
import { metricsOf } from '../task-metrics.ts';
import type { StageKind } from '../stage-kind.ts';

export const best: StageKind = {
  kind: 'best',
  summary: 'forwards the best of several candidates',
  settingsSchema: jsonModule(schema),
  runsOn: 'engine',
  checkInputs: ({ settings: { metric = 'primary' } }, producers) => {
    const found = producers.of({ port: 'metrics' }).flatMap((arriving) => {
      const task = arriving.kind.measures?.(arriving.context)?.task;
      const known = task === undefined ? undefined : metricsOf(task.settings);
      if (metric === 'primary' || known === undefined || known.some(({ name }) => name === metric)) return [];
      const message = `task "${task?.name ?? ''}" does not measure "${jsonText(metric)}"`;
      return [
        { arriving, path: ['metric'], message, help: `its metrics: ${known.map(({ name }) => name).join(', ')}` },
      ];
    });
    return found.slice(0, 1);
  },
  ports: () => ({
    inputs: [input('metrics', { artifact: 'metrics' }, 'the metrics of every candidate, by its key', 'collect')],
    outputs: [],
    open: 'forward-best',
  }),
  jobSettings: ({ settings }) => ({ metric: settings['metric'] ?? 'primary' }),
};
