// The port types and settings that several kinds share. Nothing here belongs to one kind alone.
import { isJsonObject } from '../support/json.ts';
import type { JsonObject } from '../support/json.ts';
import type {
  Finding,
  CheckpointState,
  Holding,
  InputPort,
  OutputPort,
  PortType,
  Ports,
  ResolvedTask,
  StageContext,
} from './stage-kind.ts';

export const quantizedStates: readonly CheckpointState[] = ['calibrated', 'qat'];

export function checkpoint(scope: 'backbone' | 'head', states?: readonly CheckpointState[]): PortType {
  return { artifact: 'checkpoint', scope, ...(states === undefined ? {} : { states }) };
}

export const modelPort: InputPort = {
  name: 'model',
  type: { artifact: 'model' },
  arity: 'one',
  help: 'the float network with its scopes named',
};

export const reportPort: OutputPort = { name: 'report', type: { artifact: 'report' }, help: 'what happened, as JSON' };

export const profilePort: InputPort = {
  name: 'profile',
  type: { artifact: 'profile' },
  arity: 'optional',
  help: "a profile that an analysis recommends, in place of the stage's own",
};

export function input(name: string, type: PortType, help: string, arity: InputPort['arity'] = 'one'): InputPort {
  return { name, type, arity, help };
}

/** What a job needs to know of a task: its head, target, loss and metric, but not how other stages train it. */
export function taskSettings({ name, settings }: ResolvedTask): JsonObject {
  const { head, target, stride, classes, loss, metric } = settings;
  const { file: _file, ...formula } = isJsonObject(loss) ? loss : {};
  return {
    name,
    head: head ?? name,
    target: target ?? null,
    stride: stride ?? 1,
    ...(classes === undefined ? {} : { classes }),
    // The file's contents are an input; where it lies is no setting.
    loss: loss === undefined ? null : formula,
    metric: metric ?? null,
  };
}

/** A loss that is a file is an input of the job, `loss[<task>]`. */
export function lossFiles(
  tasks: readonly ResolvedTask[],
): readonly { readonly name: string; readonly path: string; readonly at: readonly string[] }[] {
  return tasks.flatMap(({ name, settings: { loss } }) =>
    isJsonObject(loss) && loss['kind'] === 'onnx' && typeof loss['file'] === 'string'
      ? [{ name: `loss[${name}]`, path: loss['file'], at: [] }]
      : [],
  );
}

/**
 * The training data of tasks that share a step: of each task its own, which must be one set, or what the stage is given as
 * `data[train]` for all of them.
 */
export function trainData(names: readonly string[], { given }: StageContext): NonNullable<Ports['data']> {
  const [first] = names;
  if (first !== undefined && (names.length === 1 || given.includes(TRAIN_DATA)))
    return [{ port: TRAIN_DATA, task: first, split: 'train' }];
  return names.map((task) => ({ port: `data[${task}.train]`, task, split: 'train' as const }));
}

const TRAIN_DATA = 'data[train]';

/** The name of the task's head in the model. */
export function headOfTask({ name, settings }: ResolvedTask): string {
  return typeof settings['head'] === 'string' ? settings['head'] : name;
}

/** Of an output with the head of a task. */
export function headHeld(task: ResolvedTask | undefined): Holding {
  return task === undefined ? {} : { head: headOfTask(task) };
}

/** The profile without what only gates and people read. */
export function profileSettings(context: StageContext): JsonObject {
  const { onLow: _onLow, qat: _qat, summary: _summary, ...format } = context.profile ?? {};
  return format;
}

export function needsTask(context: StageContext, kind: string): readonly Finding[] {
  if (context.task !== undefined) return [];
  return [
    {
      path: [],
      message: `${withArticle(kind)} stage needs a task`,
      help: 'give it "task": "name" or "forEach": "tasks"',
    },
  ];
}

/** Tasks that are only measured name no loss; none can be trained on. */
export function needLosses(tasks: readonly ResolvedTask[]): readonly Finding[] {
  return tasks
    .filter(({ settings }) => !isJsonObject(settings['loss']))
    .map(({ name }) => ({
      path: [],
      message: `task "${name}" has no loss to train on`,
      help: `give the task a "loss", or train towards a teacher`,
    }));
}

export function needsProfile(context: StageContext, kind: string): readonly Finding[] {
  if (context.profile !== undefined) return [];
  return [
    {
      path: [],
      message: `${withArticle(kind)} stage needs a profile`,
      help: 'give it `with.profile`, or the workflow a parameter "profile"',
    },
  ];
}

function withArticle(kind: string): string {
  return `${/^[aeiou]/.test(kind) ? 'an' : 'a'} ${kind}`;
}

/** `freeze` says for the reader what holds anyway: the scope that is not worked on must not change. */
export function freezesTheOther(settings: JsonObject): readonly Finding[] {
  if (settings['freeze'] === undefined) return [];
  const scope = settings['scope'] === 'head' ? 'head' : 'backbone';
  const other = scope === 'head' ? 'backbone' : 'head';
  const frozen = scopesIn(settings, 'freeze');
  const itself = frozen.indexOf(scope);
  if (itself !== -1)
    return [{ path: ['freeze', itself], message: `"${scope}" cannot be the scope and frozen at once` }];
  if (frozen.includes(other)) return [];
  return [
    {
      path: ['freeze'],
      message: `"${other}" cannot change while "${scope}" does`,
      help: `write ["${other}"], or leave "freeze" out`,
    },
  ];
}

export function scopesIn(settings: JsonObject, key: string): readonly string[] {
  const value = settings[key];
  return Array.isArray(value) ? (value as readonly string[]) : [];
}

/** In one spelling: the order in which scopes were listed is no setting. */
export function sortedScopes(settings: JsonObject, key: string): readonly string[] {
  return [...scopesIn(settings, key)].sort();
}
