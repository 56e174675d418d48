// Hand-made plans for tests of the engine: what the planner would give, with the parts that a test cares about.
import { stageId, type StageId } from '../../src/events/ids.ts';
import type { ArtifactType } from '../../src/events/job-protocol.ts';
import type { After, Binding, GateCase, Plan, PlannedStage } from '../../src/plan/plan.ts';
import type { JsonObject } from '../../src/support/json.ts';

export interface StageOptions {
  readonly inputs?: { readonly [port: string]: string | Binding };
  /** Output port → artifact type. */
  readonly outputs?: { readonly [port: string]: ArtifactType };
  readonly after?: readonly (string | After)[];
  /** Jobs whose time it decides on. */
  readonly timed?: readonly string[];
  readonly settings?: JsonObject;
  readonly seed?: number;
  readonly threads?: number;
  readonly task?: string;
  readonly resources?: { readonly [token: string]: number };
  readonly retries?: number;
  readonly retryRules?: PlannedStage['retryRules'];
  readonly timeoutMs?: number;
  readonly files?: PlannedStage['files'];
  readonly runsOn?: PlannedStage['runsOn'];
}

/** `stage.port` as a binding, `gate:case` (or `gate:a|b`) as a condition. */
export function from(text: string): { readonly stage: StageId; readonly port: string } {
  const dot = text.lastIndexOf('.');
  return { stage: stageId(text.slice(0, dot)), port: text.slice(dot + 1) };
}

export function when(text: string): { readonly gate: StageId; readonly cases: readonly string[] } {
  const [gate = '', cases = ''] = text.split(':');
  return { gate: stageId(gate), cases: cases.split('|') };
}

export function oneOf(alternatives: { readonly [condition: string]: string }): Binding {
  return {
    shape: 'oneOf',
    alternatives: Object.entries(alternatives).map(([condition, ref]) => ({ when: when(condition), from: from(ref) })),
  };
}

export function collect(items: { readonly [key: string]: string }): Binding {
  return { shape: 'collect', items: Object.entries(items).map(([key, ref]) => ({ key, from: from(ref) })) };
}

export function stage(id: string, kind: string, options: StageOptions = {}): PlannedStage {
  const threads = options.threads ?? 1;
  const [, name = id, key] = /^([^[]+)(?:\[(.*)\])?$/.exec(id) ?? [];
  return {
    id: stageId(id),
    name,
    ...(key === undefined ? {} : { key }),
    kind,
    runsOn:
      options.runsOn ??
      (['gate', 'select', 'stop'].includes(kind) ? 'engine' : kind === 'command' ? 'command' : 'embedded'),
    at: { file: 'workflow.json', line: 1, column: 1 },
    ...(options.task === undefined ? {} : { task: options.task }),
    settings: options.settings ?? {},
    seed: options.seed ?? 0,
    threads,
    inputs: Object.fromEntries(
      Object.entries(options.inputs ?? {}).map(([port, binding]) => [
        port,
        typeof binding === 'string' ? { shape: 'one', from: from(binding) } : binding,
      ]),
    ),
    inputPorts: [],
    outputs: Object.entries(options.outputs ?? {}).map(([port, artifact]) => ({
      name: port,
      type: { artifact },
      help: '',
    })),
    after: (options.after ?? []).map((after) =>
      typeof after !== 'string'
        ? after
        : after.includes(':')
          ? { kind: 'case', ref: when(after) }
          : { kind: 'stage', stage: stageId(after) },
    ),
    timed: (options.timed ?? []).map(stageId),
    files: options.files ?? [],
    resources: options.resources ?? {},
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    retries: options.retries ?? 0,
    ...(options.retryRules === undefined ? {} : { retryRules: options.retryRules }),
  };
}

export function plan(stages: readonly PlannedStage[], name = 'test'): Plan {
  return { workflow: `${name}.json`, name, params: {}, stages, tasks: [] };
}

/** A `command` stage that runs a piece of JavaScript; `process.argv` holds the filled placeholders. */
export function script(
  id: string,
  code: string,
  options: StageOptions & {
    readonly args?: readonly string[];
    readonly paths?: { readonly [port: string]: string };
  } = {},
): PlannedStage {
  const outputs = options.outputs ?? { out: 'file' };
  const paths = Object.fromEntries(
    Object.entries(outputs).map(([port, type]) => [port, { type, path: options.paths?.[port] ?? port }]),
  );
  return stage(id, 'command', {
    ...options,
    outputs,
    settings: { argv: [process.execPath, '-e', code, ...(options.args ?? [])], outputs: paths, ...options.settings },
  });
}

/** A command that writes metrics with this value of `score`. */
export function metricsStage(
  id: string,
  score: string | number,
  options: StageOptions & { readonly task?: string } = {},
): PlannedStage {
  const document = `{"format":"headgate-metrics","version":1,"task":"${options.task ?? 'detection'}","primary":"score","values":{"score":${score}},"units":{"score":"fraction"},"higherIsBetter":{"score":true}}`;
  return script(id, `require('fs').writeFileSync(process.argv[1], ${JSON.stringify(document)})`, {
    ...options,
    outputs: { metrics: 'metrics' },
    args: ['{output:metrics}'],
  });
}

export function gate(
  id: string,
  metrics: string,
  cases: readonly GateCase[],
  options: StageOptions & { readonly policy?: 'own' | 'all' } = {},
): PlannedStage {
  return stage(id, 'gate', {
    ...options,
    inputs: { metrics, ...options.inputs },
    outputs: { verdict: 'verdict' },
    settings: {
      cases: cases.map((one) => ({ ...one, criteria: [...one.criteria] })),
      policy: options.policy ?? 'own',
    },
  });
}

export const ELSE = (name: string): GateCase => ({ name, criteria: [] });

/** A job of the obedient worker (see obedient-worker.mjs), with one output of text unless told otherwise. */
export function job(id: string, settings: JsonObject = {}, options: StageOptions = {}): PlannedStage {
  const outputs = (settings['outputs'] ?? { out: `${id} output` }) as JsonObject;
  return stage(id, 'train', {
    outputs: Object.fromEntries(Object.keys(outputs).map((port) => [port, 'file' as const])),
    ...options,
    settings: { outputs, ...settings },
  });
}
