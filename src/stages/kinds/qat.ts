// `qat`: quantization-aware training of one scope. The backbone is trained through frozen float heads (the objective's
// tasks) or towards a float teacher's features; a head on the frozen, fake-quantised backbone.
import schema from '../../../schemas/stages/qat.schema.json' with { type: 'json' };
import { isJsonObject } from '../../support/json.ts';
import type { JsonObject } from '../../support/json.ts';
import { jsonModule } from '../../support/json-module.ts';
import {
  checkpoint,
  freezesTheOther,
  headHeld,
  input,
  lossFiles,
  modelPort,
  needLosses,
  needsProfile,
  needsTask,
  profilePort,
  profileSettings,
  quantizedStates,
  reportPort,
  scopesIn,
  taskSettings,
  trainData,
} from '../port-types.ts';
import { checkLearned } from '../learned-scales.ts';
import type {
  ArrivalFinding,
  Finding,
  Holding,
  InputPort,
  Member,
  Ports,
  Producers,
  ResolvedTask,
  StageContext,
  StageKind,
} from '../stage-kind.ts';
import { checkValidation, gateData } from '../training-validation.ts';
import { BACKBONE, foldedBefore, HEAD, otherBackbone, otherHead, otherProfile } from '../wrong-orders.ts';

export const qat: StageKind = {
  kind: 'qat',
  summary: 'quantization-aware training of one scope',
  settingsSchema: jsonModule(schema),
  runsOn: 'embedded',
  seeded: true,
  check: (context) => [
    ...(scopeOf(context) === 'all' ? [] : needsTask(context, 'qat')),
    ...needsProfile(context, 'qat'),
    ...(scopeOf(context) === 'all' ? freezesNothing(context) : freezesTheOther(context.settings)),
    ...checkLearned(context),
    ...checkObjective(context),
    ...checkLosses(context),
    ...checkValidation(context, trainedTasks(context)),
  ],
  checkInputs: (context, producers) => startsOf(context).flatMap((start) => wrongStart(context, producers, start)),
  ports: (context) => {
    const scope = scopeOf(context);
    return {
      inputs:
        scope === 'all' ? allInputs(context) : scope === 'backbone' ? backboneInputs(context) : headInputs(context),
      outputs: [
        ...(scope === 'all' ? ['backbone' as const] : [scope]).map((name) => ({
          name,
          type: checkpoint(name, ['qat']),
          help: `the trained ${name} with its scales`,
          holds: {
            ...trainedHolding(context, { port: name }),
            ...(name === 'head' ? { ...headHeld(context.task), on: 'input' as const } : {}),
          },
        })),
        ...(scope === 'all' ? objectiveTasks(context) : []).map((task) => ({
          name: `head[${task.name}]`,
          type: checkpoint('head', ['qat']),
          help: `the trained head of task "${task.name}" with its scales`,
          holds: {
            ...trainedHolding(context, { port: 'heads', key: task.name }),
            ...headHeld(task),
            on: 'output' as const,
          },
        })),
        reportPort,
      ],
      data: dataOf(context),
    };
  },
  files: (context) => lossFiles(trainedTasks(context)),
  jobSettings: (context) => {
    const { training, activationScales, averagingConstant, bn, straightThrough, weightScales } = context.settings;
    const { scaleRate, freezeObserversAfter } = context.settings;
    const learns = activationScales === 'learned' || weightScales === 'learned';
    const follows = activationScales !== 'fixed' && activationScales !== 'learned';
    const { distance } = objectiveOf(context);
    const scope = scopeOf(context);
    return {
      scope,
      profile: profileSettings(context),
      training: training ?? {},
      activationScales: activationScales ?? null,
      // A fixed scale does not read how fast it would follow.
      averagingConstant: follows ? (averagingConstant ?? null) : 0,
      ...(follows && freezeObserversAfter !== undefined ? { freezeObserversAfter } : {}),
      straightThrough: straightThrough ?? null,
      weightScales: weightScales ?? null,
      ...(learns ? { scaleRate: scaleRate ?? null } : {}),
      bn: bn ?? null,
      objective: {
        tasks: objectiveWeights(context),
        distill: distillOf(context),
        ...(distance === undefined ? {} : { distance }),
      },
      ...(context.task === undefined ? {} : { task: taskSettings(context.task) }),
      ...(scope !== 'head' ? { tasks: objectiveTasks(context).map(taskSettings) } : {}),
    };
  },
};

function backboneInputs(context: StageContext): readonly InputPort[] {
  const keys = objectiveTasks(context).map((task) => task.name);
  return [
    modelPort,
    input('backbone', checkpoint('backbone', quantizedStates), 'the calibrated backbone'),
    {
      ...input('heads', checkpoint('head', ['float']), "the frozen float heads of the objective's tasks", 'collect'),
      keys,
      unused: keys.length === 0,
    },
    teacherPort(context, 'backbone', 'the float backbone whose features are the target'),
    profilePort,
  ];
}

function allInputs(context: StageContext): readonly InputPort[] {
  return [
    modelPort,
    input('backbone', checkpoint('backbone', quantizedStates), 'the calibrated backbone'),
    {
      ...input('heads', checkpoint('head', quantizedStates), 'the calibrated heads', 'collect'),
      keys: objectiveTasks(context).map(({ name }) => name),
    },
    teacherPort(context, 'backbone', "the float backbone that the heads' teachers stand on"),
    {
      ...input('teachers', checkpoint('head', ['float']), 'the float heads whose outputs are the target', 'collect'),
      keys: distillOf(context) > 0 ? objectiveTasks(context).map(({ name }) => name) : [],
      unused: distillOf(context) === 0,
    },
    profilePort,
  ];
}

/** A checkpoint that the training reads: a scope that it goes on from, or a float head. */
interface Start {
  readonly member: Member;
  /** Whose head it is. */
  readonly task?: ResolvedTask | undefined;
  readonly trained: boolean;
}

function startsOf(context: StageContext): readonly Start[] {
  const scope = scopeOf(context);
  const trunk = { member: BACKBONE, trained: true };
  const heads = (port: string, trained: boolean): readonly Start[] =>
    objectiveTasks(context).map((task) => ({ member: { port, key: task.name }, task, trained }));
  switch (scope) {
    case 'backbone':
      return [trunk, ...heads('heads', false)];
    case 'all':
      return [trunk, ...heads('heads', true), ...heads('teachers', false)];
    case 'head':
      return [
        { member: HEAD, task: context.task, trained: true },
        { member: { port: 'teacher' }, task: context.task, trained: false },
      ];
  }
}

function wrongStart(
  context: StageContext,
  producers: Producers,
  { member, task, trained }: Start,
): readonly ArrivalFinding[] {
  const other = otherHead(producers, member, task);
  if (!trained || other.length > 0) return other;
  return [
    ...(task === undefined ? [] : otherBackbone(producers, member, 'trained')),
    ...foldedBefore(context, producers, member),
    ...otherProfile(context, producers, member),
  ];
}

function trainedHolding({ settings }: StageContext, from: Member): Holding {
  return { profiled: true, folded: settings['bn'] === 'folded', from };
}

function freezesNothing({ settings }: StageContext): readonly Finding[] {
  if (scopesIn(settings, 'freeze').length === 0) return [];
  return [{ path: ['freeze'], message: 'with scope "all" nothing is frozen', help: 'leave "freeze" out' }];
}

function headInputs(context: StageContext): readonly InputPort[] {
  return [
    modelPort,
    input('backbone', checkpoint('backbone', quantizedStates), 'the frozen backbone with its scales'),
    input('head', checkpoint('head', quantizedStates), 'the calibrated head'),
    teacherPort(context, 'head', 'the float head whose outputs are the target'),
    profilePort,
  ];
}

function teacherPort(context: StageContext, scope: 'backbone' | 'head', help: string): InputPort {
  const read = distillOf(context) > 0;
  return { ...input('teacher', checkpoint(scope, ['float']), help, read ? 'one' : 'optional'), unused: !read };
}

function dataOf(context: StageContext): NonNullable<Ports['data']> {
  const tasks = scopeOf(context) === 'head' ? [] : objectiveTasks(context);
  // With one task, or none (distillation alone), the stage's own data; the port then carries no task's name.
  const names = tasks.length > 1 ? tasks.map((task) => task.name) : [tasks[0]?.name ?? context.task?.name ?? ''];
  return [...trainData(names, context), ...gateData(context, trainedTasks(context))];
}

function checkObjective(context: StageContext): readonly Finding[] {
  const known = context.tasks.map((task) => task.name);
  const weights = objectiveOf(context)['tasks'];
  if (weights === undefined || !isJsonObject(weights)) return [];
  const unknown = Object.keys(weights).filter((name) => !known.includes(name));
  const idle = (scopeOf(context) === 'all' || distillOf(context) === 0) && objectiveTasks(context).length === 0;
  return [
    ...unknown.map((name) => ({
      path: ['objective', 'tasks', name],
      message: `task "${name}" is not declared`,
      help: `tasks: ${known.join(', ')}`,
    })),
    ...(idle
      ? [{ path: ['objective'], message: 'the objective is empty', help: 'give a task a weight above 0, or distill' }]
      : []),
  ];
}

/** Towards a teacher a head learns without labels; a backbone is trained through the heads of tasks for their losses only. */
function checkLosses(context: StageContext): readonly Finding[] {
  const scope = scopeOf(context);
  if (scope !== 'backbone' && distillOf(context) > 0) return [];
  return needLosses(trainedTasks(context));
}

/** Tasks whose loss is trained on: the stage's own for a head, else those of the objective. */
function trainedTasks(context: StageContext): readonly ResolvedTask[] {
  if (scopeOf(context) !== 'head') return objectiveTasks(context);
  return context.task === undefined ? [] : [context.task];
}

function scopeOf({ settings }: StageContext): 'backbone' | 'head' | 'all' {
  const { scope } = settings;
  return scope === 'head' || scope === 'all' ? scope : 'backbone';
}

function objectiveOf({ settings }: StageContext): JsonObject {
  return isJsonObject(settings['objective']) ? settings['objective'] : {};
}

function distillOf(context: StageContext): number {
  const { distill } = objectiveOf(context);
  return typeof distill === 'number' ? distill : 0;
}

/** Only weights above 0; the stage's own task where the workflow says nothing. */
function objectiveWeights(context: StageContext): JsonObject {
  const { tasks } = objectiveOf(context);
  if (!isJsonObject(tasks) && scopeOf(context) === 'all')
    return Object.fromEntries(context.tasks.map(({ name }) => [name, 1]));
  if (tasks === undefined || !isJsonObject(tasks)) return context.task === undefined ? {} : { [context.task.name]: 1 };
  return Object.fromEntries(Object.entries(tasks).filter(([, weight]) => typeof weight === 'number' && weight > 0));
}

function objectiveTasks(context: StageContext): readonly ResolvedTask[] {
  const weights = objectiveWeights(context);
  return context.tasks.filter((task) => Object.hasOwn(weights, task.name));
}
