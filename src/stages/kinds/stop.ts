// `stop`: ends the run with its reason. What it reads is what the person who looks at the run should read.
import schema from '../../../schemas/stages/stop.schema.json' with { type: 'json' };
import { jsonModule } from '../../support/json-module.ts';
import type { StageKind } from '../stage-kind.ts';

export const stop: StageKind = {
  kind: 'stop',
  summary: 'ends the run with exit code 3',
  settingsSchema: jsonModule(schema),
  runsOn: 'engine',
  role: 'stop',
  ports: () => ({ inputs: [], outputs: [], open: 'accept' }),
  jobSettings: ({ settings }) => ({ reason: settings['reason'] ?? '' }),
};
