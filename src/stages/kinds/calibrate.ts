// `calibrate`: observes activations and sets the scales of one scope; a head is calibrated on the frozen, fake-quantised
// backbone.
import schema from '../../../schemas/stages/calibrate.schema.json' with { type: 'json' };
import { isJsonObject } from '../../support/json.ts';
import type { JsonObject } from '../../support/json.ts';
import { jsonModule } from '../../support/json-module.ts';
import {
  checkpoint,
  freezesTheOther,
  headHeld,
  input,
  modelPort,
  needsProfile,
  needsTask,
  profilePort,
  profileSettings,
  quantizedStates,
  reportPort,
  taskSettings,
} from '../port-types.ts';
import type { Finding, InputPort, OutputPort, Ports, StageContext, StageKind } from '../stage-kind.ts';
import { otherStatistics } from '../wrong-statistics.ts';
import { HEAD, otherHead } from '../wrong-orders.ts';

export const calibrate: StageKind = {
  kind: 'calibrate',
  summary: 'observes activations and sets scales',
  settingsSchema: jsonModule(schema),
  runsOn: 'embedded',
  check: (context) => [
    ...needsTask(context, 'calibrate'),
    ...needsProfile(context, 'calibrate'),
    ...freezesTheOther(context.settings),
    ...checkObserver(context.settings),
    ...checkSets(context),
  ],
  checkInputs: (context, producers) => [
    ...otherHead(producers, HEAD, context.task),
    ...otherStatistics(context, producers),
  ],
  ports: (context) => {
    const scope = context.settings['scope'] === 'head' ? 'head' : 'backbone';
    const scopes =
      scope === 'backbone'
        ? [input('backbone', checkpoint('backbone', ['float']), 'the float backbone')]
        : [
            input('backbone', checkpoint('backbone', quantizedStates), 'the frozen backbone with its scales'),
            input('head', checkpoint('head', ['float']), 'the float head'),
          ];
    const scales: OutputPort = {
      name: scope,
      type: checkpoint(scope, ['calibrated']),
      help: `the ${scope} with its scales`,
      holds: { profiled: true, ...(scope === 'head' ? { ...headHeld(context.task), on: 'input' as const } : {}) },
    };
    return {
      inputs: [modelPort, ...scopes, statisticsPort, profilePort],
      outputs: observes(context) ? [scales, reportPort, statisticsOutput] : [scales, reportPort],
      data: observes(context) ? dataOf(context) : [],
    };
  },
  jobSettings: (context) => {
    const { scope, observer, batches, batch, equalise, biasCorrection } = context.settings;
    const sets = setsOf(context.settings);
    const common = {
      scope: scope ?? null,
      profile: profileSettings(context),
      observer: observer ?? null,
      equalise: equalise ?? false,
      biasCorrection: biasCorrection ?? false,
      ...(context.task === undefined ? {} : { task: taskSettings(context.task) }),
    };
    if (!observes(context)) return common;
    return { ...common, batch: batch ?? null, ...(sets.length === 0 ? { batches: batches ?? null } : { sets }) };
  },
};

const statisticsPort: InputPort = {
  name: 'statistics',
  type: { artifact: 'file' },
  arity: 'optional',
  help: 'what an earlier calibration of these weights observed: no data is read and no network run',
};

const statisticsOutput: OutputPort = {
  name: 'statistics',
  type: { artifact: 'file' },
  help: 'what was observed, for other observers or profiles to find scales from',
};

function observes({ given }: StageContext): boolean {
  return !given.includes('statistics');
}

function setsOf({ sets }: JsonObject): readonly JsonObject[] {
  return Array.isArray(sets) ? (sets as readonly JsonObject[]) : [];
}

/** Whose calibration data each set is. */
function tasksOf(settings: JsonObject): readonly string[] {
  return setsOf(settings).map(({ task }) => (typeof task === 'string' ? task : ''));
}

function dataOf(context: StageContext): NonNullable<Ports['data']> {
  const sets = tasksOf(context.settings);
  if (sets.length === 0) return [{ port: 'data[calibration]', task: context.task?.name ?? '', split: 'calibration' }];
  return sets.map((task) => ({ port: `data[${task}.calibration]`, task, split: 'calibration' as const }));
}

function checkSets({ settings, tasks, given }: StageContext): readonly Finding[] {
  const sets = tasksOf(settings);
  const names = tasks.map(({ name }) => name);
  const unread =
    sets.length > 0 && given.includes('statistics')
      ? [{ path: ['sets'], message: 'no data is read where statistics are given', help: 'leave "sets" out' }]
      : [];
  return [
    ...unread,
    ...sets.flatMap((task, index): readonly Finding[] => {
      const path = ['sets', index, 'task'];
      if (!names.includes(task))
        return [{ path, message: `task "${task}" is not declared`, help: `tasks: ${names.join(', ')}` }];
      if (sets.indexOf(task) < index)
        return [
          {
            path,
            message: `the set of task "${task}" is named twice`,
            help: 'raise its "batches" or "weight"',
          },
        ];
      return [];
    }),
  ];
}

/** An observer starts empty here, and takes its first batch whole: with c = 0 it would stay there. */
function checkObserver({ observer }: JsonObject): readonly Finding[] {
  if (!isJsonObject(observer) || observer['averagingConstant'] !== 0) return [];
  return [
    {
      path: ['observer', 'averagingConstant'],
      message: 'an averaging constant of 0 would keep the range of the first batch',
      help: '0 freezes a range that was loaded; calibration starts with none: give a share above 0, such as 0.01',
    },
  ];
}
