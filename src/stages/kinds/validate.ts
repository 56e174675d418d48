// `validate`: measures a task on one split — of scopes put together, of the merged model, or of the exported one.
import schema from '../../../schemas/stages/validate.schema.json' with { type: 'json' };
import { byCodeUnit } from '../../support/canonical-json.ts';
import { isJsonObject } from '../../support/json.ts';
import type { JsonObject } from '../../support/json.ts';
import { jsonModule } from '../../support/json-module.ts';
import {
  checkpoint,
  input,
  modelPort,
  needsTask,
  quantizedStates,
  reportPort,
  scopesIn,
  sortedScopes,
  taskSettings,
} from '../port-types.ts';
import type { Finding, InputPort, StageContext, StageKind } from '../stage-kind.ts';
import { HEAD, otherBackbone, otherHead } from '../wrong-orders.ts';

export const validate: StageKind = {
  kind: 'validate',
  summary: 'measures a task on one split',
  settingsSchema: jsonModule(schema),
  runsOn: 'embedded',
  check: (context) => [
    ...needsTask(context, 'validate'),
    ...(context.settings['runtime'] === 'integer' && !context.given.includes('exported')
      ? [
          {
            path: ['runtime'],
            message: 'the integer runtime runs an exported model only',
            help: 'give the stage the input "exported"',
          },
        ]
      : []),
    ...checkSelfTests(context),
    ...(wholeModel(context) !== undefined && scopesIn(context.settings, 'quantized').length > 0
      ? [
          {
            path: ['quantized'],
            message: `a ${wholeModel(context)} model is quantised as a whole`,
            help: 'leave "quantized" out',
          },
        ]
      : []),
  ],
  checkInputs: (context, producers) => {
    const { task } = context;
    const wrong = [...otherHead(producers, HEAD, task), ...otherHead(producers, { port: 'floatHead' }, task)];
    const quantised = scopesIn(context.settings, 'quantized').length === 2;
    return wrong.length > 0 || !quantised ? wrong : otherBackbone(producers, HEAD, 'measured');
  },
  measures: ({ task, settings }) => {
    const { count, seed, block } = bootstrapOf(settings);
    return task === undefined ? undefined : { task, split: splitOf({ settings }), count, seed, block };
  },
  ports: (context) => ({
    inputs: inputsOf(context),
    outputs: [
      { name: 'metrics', type: { artifact: 'metrics' }, help: 'the metrics' },
      { name: 'details', type: { artifact: 'file' }, help: 'numbers per image' },
      ...(keptOf(context.settings) > 0
        ? [{ name: 'outputs', type: { artifact: 'file' as const }, help: "the head's raw outputs, as safetensors" }]
        : []),
      ...(selfTestsOf(context.settings).length > 0 ? [reportPort] : []),
    ],
    data: [{ port: `data[${splitOf(context)}]`, task: context.task?.name ?? '', split: splitOf(context) }],
  }),
  jobSettings: ({ settings, task }) => ({
    quantized: sortedScopes(settings, 'quantized'),
    runtime: settings['runtime'] ?? null,
    batch: settings['batch'] ?? null,
    bootstrap: bootstrapOf(settings),
    ...(keptOf(settings) > 0 ? { keepOutputs: keptOf(settings) } : {}),
    ...(selfTestsOf(settings).length > 0 ? { selfTests: [...selfTestsOf(settings)] } : {}),
    ...(task === undefined ? {} : { task: taskSettings(task) }),
  }),
};

function inputsOf(context: StageContext): readonly InputPort[] {
  switch (wholeModel(context)) {
    case 'merged':
      return [input('merged', { artifact: 'merged' }, 'the merged model'), ...floatInputs(context)];
    case 'exported':
      return [
        input('exported', { artifact: 'file' }, 'the exported ONNX file'),
        ...(comparesWithFloat(context) ? [modelPort] : []),
        ...floatInputs(context),
      ];
    case undefined: {
      const quantized = scopesIn(context.settings, 'quantized');
      const scope = (name: 'backbone' | 'head'): InputPort =>
        quantized.includes(name)
          ? input(name, checkpoint(name, quantizedStates), `the ${name} with its scales`)
          : input(name, checkpoint(name, ['float']), `the ${name}, run in float`);
      return [modelPort, scope('backbone'), scope('head'), ...floatInputs(context)];
    }
  }
}

function comparesWithFloat({ task }: StageContext): boolean {
  const metric = task?.settings['metric'];
  return isJsonObject(metric) && metric['kind'] === 'sqnr';
}

/** What a metric compares with that needs no labels. */
function floatInputs(context: StageContext): readonly InputPort[] {
  if (!comparesWithFloat(context)) return [];
  return (['backbone', 'head'] as const).map((scope) =>
    input(
      scope === 'backbone' ? 'floatBackbone' : 'floatHead',
      checkpoint(scope, ['float']),
      `the float ${scope} that sqnr compares with, instead of the model's own weights`,
      'optional',
    ),
  );
}

/** Without replicates the other settings say nothing, and must not enter the key. */
function bootstrapOf({ bootstrap }: JsonObject): {
  readonly count: number;
  readonly seed: number;
  readonly block: number;
} {
  const given = isJsonObject(bootstrap) ? bootstrap : {};
  const [count, seed, block] = [given['count'] ?? 500, given['seed'] ?? 0, given['block'] ?? 1].map(Number) as [
    number,
    number,
    number,
  ];
  return count === 0 ? { count, seed: 0, block: 1 } : { count, seed, block };
}

function keptOf({ keepOutputs }: JsonObject): number {
  return typeof keepOutputs === 'number' ? keepOutputs : 0;
}

/** In an order of their own, so that the order written enters no key. */
function selfTestsOf({ selfTests }: JsonObject): readonly string[] {
  return Array.isArray(selfTests) ? selfTests.map(String).sort(byCodeUnit) : [];
}

function checkSelfTests(context: StageContext): readonly Finding[] {
  const { settings } = context;
  const whole = wholeModel(context);
  const written = Array.isArray(settings['selfTests']) ? settings['selfTests'] : [];
  return written.flatMap((name, index): readonly Finding[] => {
    const refuse = (message: string, help: string): readonly Finding[] => [
      { path: ['selfTests', index], message: `self-test "${String(name)}" ${message}`, help },
    ];
    if (whole === 'exported') return refuse('looks at checkpoints', 'ask a stage for it that is given scopes');
    if (name === 'export' && whole !== 'merged')
      return refuse('exports all heads together', 'give the stage the input "merged"');
    const needsScales = ['zero-learning-rate', 'memory', 'fake-quant'].includes(String(name));
    if (needsScales && whole === undefined && !scopesIn(settings, 'quantized').includes('backbone'))
      return refuse('needs a quantised backbone', 'add "backbone" to "quantized"');
    return [];
  });
}

function wholeModel({ given }: StageContext): 'merged' | 'exported' | undefined {
  return given.includes('merged') ? 'merged' : given.includes('exported') ? 'exported' : undefined;
}

function splitOf({ settings }: Pick<StageContext, 'settings'>): 'train' | 'gate' | 'report' | 'calibration' {
  const { split } = settings;
  return split === 'train' || split === 'report' || split === 'calibration' ? split : 'gate';
}
