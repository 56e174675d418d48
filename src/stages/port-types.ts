// The port types and settings that several kinds share. Nothing here belongs to one kind alone.
import { jsonText } from '../support/json.ts';
import type { JsonObject } from '../support/json.ts';
import type {
  Finding,
  CheckpointState,
  InputPort,
  OutputPort,
  PortType,
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

export function input(name: string, type: PortType, help: string, arity: InputPort['arity'] = 'one'): InputPort {
  return { name, type, arity, help };
}

/** What a job needs to know of a task: its head, target, loss and metric, but not how other stages train it. */
export function taskSettings({ name, settings }: ResolvedTask): JsonObject {
  const { head, target, stride, classes, loss, metric } = settings;
  return {
    name,
    head: head ?? name,
    target: target ?? null,
    stride: stride ?? 1,
    ...(classes === undefined ? {} : { classes }),
    loss: loss ?? null,
    metric: metric ?? null,
  };
}

/** The profile without what only gates and people read. */
export function profileSettings(context: StageContext): JsonObject {
  const { onLow: _onLow, qat: _qat, summary: _summary, ...format } = context.profile ?? {};
  return format;
}

export function needsTask(context: StageContext, kind: string): readonly Finding[] {
  if (context.task !== undefined) return [];
  return [{ path: [], message: `a ${kind} stage needs a task`, help: 'give it "task": "name" or "forEach": "tasks"' }];
}

export function needsProfile(context: StageContext, kind: string): readonly Finding[] {
  if (context.profile !== undefined) return [];
  return [
    {
      path: [],
      message: `a ${kind} stage needs a profile`,
      help: 'give it `with.profile`, or the workflow a parameter "profile"',
    },
  ];
}

/** The scopes that must not change; a scope cannot be trained and frozen at once. */
export function frozenScopes(settings: JsonObject): readonly string[] {
  const other = settings['scope'] === 'head' ? 'backbone' : 'head';
  return Array.isArray(settings['freeze']) ? (settings['freeze'] as readonly string[]) : [other];
}

export function freezesItself(settings: JsonObject): readonly Finding[] {
  const at = frozenScopes(settings).indexOf(jsonText(settings['scope']));
  if (at === -1) return [];
  return [{ path: ['freeze', at], message: `"${jsonText(settings['scope'])}" cannot be the scope and frozen at once` }];
}

export function scopesIn(settings: JsonObject, key: string): readonly string[] {
  const value = settings[key];
  return Array.isArray(value) ? (value as readonly string[]) : [];
}

/** In one spelling: the order in which scopes were listed is no setting. */
export function sortedScopes(settings: JsonObject, key: string): readonly string[] {
  return [...scopesIn(settings, key)].sort();
}
