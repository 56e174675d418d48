// `gate`: decides on measured numbers. Its cases are not settings of a job; the planner resolves them (GateSettings).
import schema from '../../../schemas/stages/gate.schema.json' with { type: 'json' };
import { jsonModule } from '../../support/json-module.ts';
import { input } from '../port-types.ts';
import type { StageKind } from '../stage-kind.ts';

const named = true;
const nested = true;

export const gate: StageKind = {
  kind: 'gate',
  summary: 'decides on measured numbers',
  settingsSchema: jsonModule(schema),
  runsOn: 'engine',
  role: 'gate',
  ports: ({ settings, given }) => {
    const onVerdicts = given.includes('verdicts');
    const all = settings['policy'] === 'all';
    const peers = all ? 'collect' : 'optional';
    return {
      inputs: [
        {
          ...input(
            'metrics',
            { artifact: 'metrics' },
            'what the gate decides on, or named evaluation sets',
            onVerdicts ? 'optional' : 'one',
          ),
          named,
        },
        { ...input('verdicts', { artifact: 'verdict' }, 'decisions that the gate decides on', 'optional'), named },
        {
          ...input('reference', { artifact: 'metrics' }, 'what it is compared with, by the same sets', 'optional'),
          named,
        },
        {
          ...input('history', { artifact: 'metrics' }, 'inside a loop: earlier iterations, from "0"', 'optional'),
          named,
          nested,
        },
        { ...input('peers', { artifact: 'metrics' }, 'the metrics of every peer', peers), nested, unused: !all },
        {
          ...input('peerReferences', { artifact: 'metrics' }, 'the references of every peer', peers),
          nested,
          unused: !all,
        },
      ],
      outputs: [{ name: 'verdict', type: { artifact: 'verdict' }, help: 'the chosen case with its evidence' }],
    };
  },
  jobSettings: ({ settings }) => ({
    policy: settings['policy'] === 'all' ? 'all' : 'own',
    ...(settings['expect'] === undefined ? {} : { expect: settings['expect'] }),
    ...(settings['failOn'] === undefined ? {} : { failOn: settings['failOn'] }),
  }),
};
