// Wrong orders of stages seen before anything runs: through everything that only hands on, certain on the branch they are told
// for, and never where a run could be right. The words are in the fixtures `order-*`.
import { describe, expect, it } from 'vitest';
import {
  accuracy,
  calibrated,
  chosen,
  found,
  gate,
  head,
  measured,
  stage,
  trained,
  trainedHead,
  training,
} from './orders.ts';
import { tasks } from './plan-of.ts';

describe('a head on another backbone than it was made on', () => {
  const early = { trained: trained('backbone.backbone'), early: head('backbone.backbone') };

  it('is refused by QAT, by validation, and by joint QAT', () => {
    expect(found({ ...early, next: trainedHead('trained.backbone', 'early.head') })).toEqual([
      'HG1316 next at early.head',
    ]);
    expect(found({ ...early, next: measured('trained.backbone', 'early.head') })).toEqual([
      'HG1316 next at early.head',
    ]);
    const joint = stage(
      'qat',
      { backbone: 'trained.backbone', heads: { collect: { detection: 'early.head' } } },
      { scope: 'all', training, objective: { tasks: { detection: 1 } } },
    );
    expect(found({ ...early, joint })).toEqual(['HG1316 joint at early.head']);
  });

  it('is seen through selections, templates and loops', () => {
    const select = { kind: 'select', inputs: { trunk: 'trained.backbone', head: 'early.head' } };
    expect(found({ ...early, select, next: trainedHead('select.trunk', 'select.head') })).toEqual([
      'HG1316 next at select.head',
    ]);
    const template = {
      inputs: { backbone: {}, head: {} },
      stages: { inner: trainedHead('inputs.backbone', 'inputs.head') },
      outputs: { head: 'inner.head' },
    };
    const use = { kind: 'template', template: 'finish', inputs: { backbone: 'trained.backbone', head: 'early.head' } };
    expect(found({ ...early, use }, { templates: { finish: template } })).toEqual(['HG1316 use/inner at early.head']);
    const loop = {
      kind: 'loop',
      carry: { head: { first: 'early.head', next: 'more.head' } },
      body: { more: trainedHead('backbone.backbone', 'carry.head'), check: measured('backbone.backbone', 'more.head') },
      until: { metrics: 'check.metrics', criteria: [{ metric: 'primary', atLeast: 0.5 }] },
      maxIterations: 3,
      onExhausted: 'best',
    };
    expect(found({ ...early, loop, next: measured('trained.backbone', 'loop.head') })).toEqual([
      'HG1316 next at loop.head',
    ]);
    expect(found({ ...early, loop, next: measured('backbone.backbone', 'loop.head') })).toEqual([]);
  });

  it('is no mistake on the backbone that the same choice gives', () => {
    const stages = {
      accuracy,
      gate: gate('accuracy.metrics'),
      trained: trained('backbone.backbone', {}, { after: 'gate:more' }),
      frozen: { kind: 'select', inputs: { backbone: chosen('backbone.backbone', 'trained.backbone') } },
      quantised: head('frozen.backbone'),
    };
    expect(found({ ...stages, next: trainedHead('frozen.backbone', 'quantised.head') })).toEqual([]);
    // Right on one of two branches: the run decides.
    expect(found({ ...stages, next: measured('backbone.backbone', 'quantised.head') })).toEqual([]);
  });

  it('is told for the branch on which it is certain, and not for one that cannot have been taken', () => {
    const stages = {
      accuracy,
      gate: gate('accuracy.metrics'),
      trained: trained('backbone.backbone'),
      other: trained('backbone.backbone', { training: { epochs: 2, learningRate: 0.001 } }),
      early: head('other.backbone'),
      late: head('trained.backbone'),
      either: { kind: 'select', inputs: { head: chosen('early.head', 'late.head') } },
    };
    expect(found({ ...stages, next: measured('trained.backbone', 'either.head') })).toEqual([
      'HG1316 next at either.head',
    ]);
    const onLate = { ...(measured('trained.backbone', 'either.head') as { kind: string }), after: 'gate:more' };
    expect(found({ ...stages, next: onLate })).toEqual([]);
    const never = {
      ...gate('accuracy.metrics'),
      cases: [
        { name: 'pass', if: { $equals: [{ $param: 'profile' }, 'w4a8'] } },
        { name: 'more', else: true },
      ],
    };
    expect(found({ ...stages, gate: never, next: measured('trained.backbone', 'either.head') })).toEqual([]);
  });

  it('is no mistake where the same job made both backbones, or a program one of them', () => {
    const twins = { again: calibrated(), early: head('backbone.backbone') };
    expect(found({ ...twins, next: trainedHead('again.backbone', 'early.head') })).toEqual([]);
    const twice = {
      ...twins,
      one: trained('backbone.backbone'),
      two: trained('again.backbone'),
      on: head('one.backbone'),
    };
    expect(found({ ...twice, next: trainedHead('two.backbone', 'on.head') })).toEqual([]);
    const program = {
      kind: 'command',
      inputs: { x: 'backbone.backbone' },
      with: { argv: ['true'], outputs: { backbone: { type: 'checkpoint', path: 'b.safetensors' } } },
    };
    expect(found({ ...twins, program, next: trainedHead('program.backbone', 'early.head') })).toEqual([]);
  });
});

describe('a head of another task', () => {
  it('is refused wherever a head is read, each place once', () => {
    const wrong = 'imported.head[segmentation]';
    const refused = (name: string): readonly string[] => [`HG1316 ${name} at ${wrong}`];
    expect(found({ next: head('backbone.backbone', { head: wrong }) })).toEqual(refused('next'));
    const tuned = stage('finetune', { backbone: 'backbone.backbone', head: wrong }, { training });
    expect(found({ tuned })).toEqual(refused('tuned'));
    const float = stage('validate', { backbone: 'imported.backbone', head: wrong }, {});
    expect(found({ float })).toEqual(refused('float'));
    const more = stage('train', { backbone: 'imported.backbone', head: wrong }, { train: ['head'], training });
    expect(found({ more })).toEqual(refused('more'));
    const layers = stage('analyze', { backbone: 'imported.backbone', head: wrong }, { scope: 'head' });
    expect(found({ layers })).toEqual(refused('layers'));
    const through = { backbone: 'backbone.backbone', heads: { collect: { detection: wrong } } };
    expect(found({ through: stage('qat', through, { scope: 'backbone', training }) })).toEqual(refused('through'));
    const heads = { first: head('backbone.backbone'), second: { ...head('backbone.backbone'), task: 'segmentation' } };
    const swapped = { collect: { detection: 'second.head', segmentation: 'first.head' } };
    expect(
      found({ ...heads, merge: { kind: 'merge', inputs: { backbone: 'backbone.backbone', heads: swapped } } }),
    ).toEqual(['HG1316 merge at second.head', 'HG1316 merge at first.head']);
  });

  it('is no mistake under the name of its head: two tasks may share one', () => {
    const shared = { ...tasks, masks: { ...tasks.segmentation, head: 'segmentation' } };
    const next = { ...head('backbone.backbone', { head: 'imported.head[segmentation]' }), task: 'masks' };
    expect(found({ next }, { tasks: shared })).toEqual([]);
  });
});

describe('QAT of a scope whose batch norm was folded', () => {
  const folded = trained('backbone.backbone', { bn: 'folded' });

  it.each(['train', 'kept'])('is refused with "bn": "%s", also after a QAT in between', (bn) => {
    const between = trained('folded.backbone', { bn: 'frozen' });
    expect(found({ folded, next: trained('folded.backbone', { bn }) })).toEqual([`HG1316 next at ${bn}`]);
    expect(found({ folded, between, next: trained('between.backbone', { bn }) })).toEqual([`HG1316 next at ${bn}`]);
  });

  it('is told at the reference where the setting is not written', () => {
    expect(found({ folded, next: trained('folded.backbone') })).toEqual(['HG1316 next at folded.backbone']);
  });

  it('is accepted folded, frozen, or where only one of two branches folds', () => {
    for (const bn of ['folded', 'frozen'])
      expect(found({ folded, next: trained('folded.backbone', { bn }) })).toEqual([]);
    const stages = { accuracy, gate: gate('accuracy.metrics'), folded, plain: trained('backbone.backbone') };
    const select = { kind: 'select', inputs: { backbone: chosen('folded.backbone', 'plain.backbone') } };
    const between = trained('select.backbone', { bn: 'frozen' });
    expect(found({ ...stages, select, between, next: trained('between.backbone') })).toEqual([]);
    expect(found({ ...stages, select, next: trained('select.backbone') })).toEqual(['HG1316 next at select.backbone']);
  });
});

describe('QAT in another profile than calibration', () => {
  const mix = stage(
    'analyze',
    { backbone: 'imported.backbone', head: 'imported.head' },
    {
      scope: 'backbone',
      recommend: { weights: [16], activations: [16], budget: { kind: 'layers', most: 1 } },
    },
  );

  it('is refused, at the profile where that is written', () => {
    expect(found({ next: trained('backbone.backbone', { profile: 'w4a8' }) })).toEqual(['HG1316 next at w4a8']);
    const other = calibrated({}, { profile: 'w4a8' });
    expect(found({ other, next: trained('other.backbone') })).toEqual(['HG1316 next at other.backbone']);
  });

  it('is no other profile under another name, or with other words for people', () => {
    expect(found({ next: trained('backbone.backbone', { profile: 'named' }) })).toEqual([]);
  });

  it('is refused where only one of the two takes what an analysis recommends', () => {
    const mixed = calibrated({ profile: 'mix.profile' });
    expect(found({ mix, mixed, next: trained('mixed.backbone') })).toEqual(['HG1316 next at mixed.backbone']);
    const both = trained('mixed.backbone') as { readonly inputs: object };
    expect(found({ mix, mixed, next: { ...both, inputs: { ...both.inputs, profile: 'mix.profile' } } })).toEqual([]);
  });

  it('is seen scope by scope in joint QAT, which takes one profile for all of them', () => {
    const mixed = { mix, mixed: calibrated({ profile: 'mix.profile' }) };
    const joint = (more: object): object =>
      stage(
        'qat',
        { backbone: 'mixed.backbone', heads: { collect: { detection: 'head.head' } }, ...more },
        { scope: 'all', training, objective: { tasks: { detection: 1 } } },
      );
    const plain = { ...mixed, head: head('mixed.backbone') };
    expect(found({ ...plain, next: joint({}) })).toEqual(['HG1316 next at mixed.backbone']);
    expect(found({ ...plain, next: joint({ profile: 'mix.profile' }) })).toEqual(['HG1316 next at head.head']);
    const alike = { ...mixed, head: head('mixed.backbone', { profile: 'mix.profile' }) };
    expect(found({ ...alike, next: joint({ profile: 'mix.profile' }) })).toEqual([]);
  });
});
