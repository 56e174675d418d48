// What enters the jobs of the built-in kinds, and which ports they have. What they refuse is in findings.test.ts.
import { describe, expect, it } from 'vitest';
import type { StageContext } from '../../src/stages/stage-kind.ts';
import type { JsonObject } from '../../src/support/json.ts';
import { bare, context, kind } from './contexts.ts';

function inputsOf(name: string, settings: JsonObject, more: Partial<StageContext> = {}): readonly string[] {
  const ports = kind(name).ports(context(settings, more));
  return ports.inputs.filter((port) => port.unused !== true).map((port) => `${port.name}:${port.arity}`);
}

describe('what enters a job', () => {
  it('is the task without how other stages train it', () => {
    const settings = kind('validate').jobSettings(
      context({ quantized: [], runtime: 'reference', batch: 8, split: 'gate' }),
    );
    expect(settings['task']).toEqual({
      name: 'detection',
      head: 'detection',
      target: 'boxes',
      stride: 4,
      classes: 10,
      loss: { kind: 'focal-heatmap' },
      metric: { kind: 'centre-map', distance: 5 },
    });
  });

  it('is not the split: the edge to the data says it', () => {
    const on = (split: string): JsonObject => kind('validate').jobSettings(context({ quantized: [], split }));
    expect(on('gate')).toEqual(on('report'));
  });

  it('is the number format of a profile, without its name and what only gates read', () => {
    const { profile: format } = kind('calibrate').jobSettings(context({ scope: 'backbone' }));
    expect(format).toEqual({ weights: { bits: 4 }, activations: { bits: 4, unsignedAfterRelu: true } });
  });

  it('is the same in whatever order scopes were listed', () => {
    const quantized = (scopes: readonly string[]): JsonObject =>
      kind('validate').jobSettings(context({ quantized: scopes }));
    expect(quantized(['head', 'backbone'])).toEqual(quantized(['backbone', 'head']));
  });

  it('holds no averaging constant that a fixed scale would not read', () => {
    const settings = (averagingConstant: number): JsonObject =>
      kind('qat').jobSettings(context({ scope: 'head', activationScales: 'fixed', averagingConstant }));
    expect(settings(0.01)).toEqual(settings(0.5));
  });

  it('is how a gate counts heads, in the words of its verdict', () => {
    expect(kind('gate').jobSettings(context({ policy: 'failing' }))).toEqual({ policy: 'own' });
    expect(kind('gate').jobSettings(context({ policy: 'all' }))).toEqual({ policy: 'all' });
  });

  it('is not what is frozen, which follows from the scope', () => {
    for (const name of ['calibrate', 'qat']) {
      const settings = (freeze?: JsonObject): JsonObject =>
        kind(name).jobSettings(context({ scope: 'head', ...freeze }));
      expect(settings({ freeze: ['backbone'] })).toEqual(settings());
    }
  });

  it('names no folder and no file: their content is keyed instead', () => {
    const source = { kind: 'npy', folder: 'mine', description: 'dataset.json', splits: { train: {} } };
    expect(kind('dataset').jobSettings(context({ source }))).toEqual({
      source: { kind: 'npy', description: 'dataset.json', splits: { train: {} } },
    });
    expect(kind('dataset').files?.(context({ source }))).toEqual([
      { name: 'folder', path: 'mine', at: ['source', 'folder'] },
    ]);
    expect(
      kind('import').jobSettings(context({ onnx: 'a.onnx', weights: 'b.safetensors', strict: true })),
    ).not.toHaveProperty('onnx');
  });
});

describe('the ports of', () => {
  it('train take what is frozen and offer what is trained', () => {
    expect(inputsOf('train', { train: ['head'] })).toEqual(['model:one', 'backbone:one', 'head:optional']);
    expect(
      kind('train')
        .ports(context({ train: ['head'] }))
        .outputs.map((port) => port.name),
    ).toEqual(['head', 'report']);
    expect(inputsOf('train', { train: ['backbone', 'head'] })).toEqual([
      'model:one',
      'backbone:optional',
      'head:optional',
    ]);
  });

  it("qat on the backbone take the heads of its objective's tasks, and a teacher only to distil", () => {
    const settings = { scope: 'backbone', objective: { tasks: { detection: 1, lanes: 0 }, distill: 0 } };
    const ports = kind('qat').ports(context(settings));
    expect(ports.inputs.find((port) => port.name === 'heads')?.keys).toEqual(['detection']);
    expect(ports.data?.map((data) => data.port)).toEqual(['data[train]']);
    expect(inputsOf('qat', settings)).toEqual(['model:one', 'backbone:one', 'heads:collect', 'profile:optional']);
    expect(inputsOf('qat', { ...settings, objective: { tasks: {}, distill: 1 } })).toEqual([
      'model:one',
      'backbone:one',
      'teacher:one',
      'profile:optional',
    ]);
  });

  it('qat on the backbone name the data by task where there are several', () => {
    const settings = { scope: 'backbone', objective: { tasks: { detection: 1, lanes: 1 } } };
    expect(
      kind('qat')
        .ports(context(settings))
        .data?.map((data) => data.port),
    ).toEqual(['data[detection.train]', 'data[lanes.train]']);
  });

  it('validate follow what the stage was given', () => {
    expect(inputsOf('validate', { quantized: ['backbone'] })).toEqual(['model:one', 'backbone:one', 'head:one']);
    expect(inputsOf('validate', {}, { given: ['merged'] })).toEqual(['merged:one']);
    expect(inputsOf('validate', { runtime: 'integer' }, { given: ['exported'] })).toEqual(['exported:one']);
  });

  it('validate take the float model as well, where the metric compares with it', () => {
    const more = { task: bare };
    const float = ['floatBackbone:optional', 'floatHead:optional'];
    expect(inputsOf('validate', {}, more)).toEqual(['model:one', 'backbone:one', 'head:one', ...float]);
    expect(inputsOf('validate', {}, { ...more, given: ['merged'] })).toEqual(['merged:one', ...float]);
    expect(inputsOf('validate', {}, { ...more, given: ['exported'] })).toEqual(['exported:one', 'model:one', ...float]);
  });

  it('qat of everything take and give every head of the objective, and teachers only to distil', () => {
    const settings = { scope: 'all', objective: { tasks: { lanes: 1 } } };
    expect(inputsOf('qat', settings)).toEqual(['model:one', 'backbone:one', 'heads:collect', 'profile:optional']);
    const { inputs, outputs, data } = kind('qat').ports(context({ scope: 'all' }));
    expect(inputs.find(({ name }) => name === 'heads')?.keys).toEqual(['detection', 'lanes']);
    expect(outputs.map(({ name }) => name)).toEqual(['backbone', 'head[detection]', 'head[lanes]', 'report']);
    expect(data?.map(({ port }) => port)).toEqual(['data[detection.train]', 'data[lanes.train]']);
    expect(inputsOf('qat', { ...settings, objective: { tasks: { lanes: 1 }, distill: 1 } })).toEqual([
      'model:one',
      'backbone:one',
      'heads:collect',
      'teacher:one',
      'teachers:collect',
      'profile:optional',
    ]);
  });

  it('train of all heads take the backbone and give every scope that is trained', () => {
    expect(inputsOf('train', { train: ['heads'] })).toEqual(['model:one', 'backbone:one']);
    const { outputs, data } = kind('train').ports(context({ train: ['backbone', 'heads'], tasks: { lanes: 2 } }));
    expect(outputs.map(({ name }) => name)).toEqual(['backbone', 'head[lanes]', 'report']);
    expect(data?.map(({ port }) => port)).toEqual(['data[train]']);
  });

  it('validate run in float what was trained in float only', () => {
    const { inputs } = kind('validate').ports(context({ quantized: ['backbone'] }));
    expect(inputs.find((port) => port.name === 'head')?.type).toEqual({
      artifact: 'checkpoint',
      scope: 'head',
      states: ['float'],
    });
  });

  it('analyze and calibrate take a head where it is read', () => {
    expect(inputsOf('analyze', { scope: 'backbone' })).toEqual([
      'model:one',
      'backbone:one',
      'head:one',
      'heads:optional',
    ]);
    expect(inputsOf('calibrate', { scope: 'backbone' })).toEqual([
      'model:one',
      'backbone:one',
      'statistics:optional',
      'profile:optional',
    ]);
    expect(inputsOf('calibrate', { scope: 'head' })).toEqual([
      'model:one',
      'backbone:one',
      'head:one',
      'statistics:optional',
      'profile:optional',
    ]);
  });

  it('import offer the head of every task, by the name it has in the network', () => {
    const settings = { heads: { detection: { outputs: ['d'] }, 'lane-head': { outputs: ['l'] } } };
    expect(
      kind('import')
        .ports(context(settings))
        .outputs.map((port) => port.name),
    ).toEqual(['model', 'backbone', 'head[detection]', 'head[lanes]', 'report']);
    expect(kind('import').check?.(context({ heads: { detection: { outputs: ['d'] } } }))).toMatchObject([
      { path: ['heads'], message: 'task "lanes" has no head "lane-head" here' },
    ]);
  });

  it('dataset offer the declared splits', () => {
    const outputs = kind('dataset').ports(
      context({ source: { kind: 'fashion-scenes', counts: { gate: 1, train: 2 } } }),
    ).outputs;
    expect(outputs.map((port) => port.name)).toEqual(['train', 'gate']);
  });
});
