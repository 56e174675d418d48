// `select`: forwards every input as an output of the same name and type; where branches meet.
import schema from '../../../schemas/stages/select.schema.json' with { type: 'json' };
import { jsonModule } from '../../support/json-module.ts';
import type { StageKind } from '../stage-kind.ts';

export const select: StageKind = {
  kind: 'select',
  summary: 'forwards artifacts under new names',
  settingsSchema: jsonModule(schema),
  runsOn: 'engine',
  ports: () => ({ inputs: [], outputs: [], open: 'forward' }),
  jobSettings: () => ({}),
};
