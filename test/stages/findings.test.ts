// What the built-in kinds refuse before anything runs, in the words that a user reads.
import { describe, expect, it } from 'vitest';
import type { StageContext } from '../../src/stages/stage-kind.ts';
import type { JsonObject } from '../../src/support/json.ts';
import { bare, context, kind } from './contexts.ts';

describe('a kind refuses', () => {
  it.each<[string, string, JsonObject, Partial<StageContext>, string]>([
    [
      'a scope that is trained and frozen',
      'qat',
      { scope: 'head', freeze: ['head'] },
      {},
      '"head" cannot be the scope and frozen at once',
    ],
    [
      'a frozen scope that is not frozen',
      'qat',
      { scope: 'head', freeze: [] },
      {},
      '"backbone" cannot change while "head" does',
    ],
    [
      'the same in calibration',
      'calibrate',
      { scope: 'backbone', freeze: [] },
      {},
      '"head" cannot change while "backbone" does',
    ],
    [
      'an empty objective',
      'qat',
      { scope: 'backbone', objective: { tasks: { detection: 0 } } },
      {},
      'the objective is empty',
    ],
    [
      'an objective of unknown tasks',
      'qat',
      { scope: 'backbone', objective: { tasks: { depth: 1 } } },
      {},
      'task "depth" is not declared',
    ],
    [
      'the integer runtime without an exported model',
      'validate',
      { runtime: 'integer' },
      {},
      'the integer runtime runs an exported model only',
    ],
    [
      'scopes of a merged model',
      'validate',
      { quantized: ['head'] },
      { given: ['merged'] },
      'a merged model is quantised as a whole',
    ],
    [
      'a stride that the head does not have',
      'model',
      { heads: { d: { kind: 'heatmap', stride: 2 } } },
      {},
      'a heatmap head has stride 4',
    ],
    [
      'an image that the backbone cannot halve',
      'model',
      { input: [1, 64, 60] },
      {},
      "the image's width must be divisible by 8",
    ],
    [
      'an output outside of the output folder',
      'command',
      { argv: ['x'], outputs: { o: { type: 'file', path: '../o' } } },
      {},
      `"../o" leaves the job's output folder`,
    ],
    [
      'a working folder that climbs out of the root',
      'command',
      { argv: ['x'], cwd: 'a/../..' },
      {},
      `"a/../.." leaves the workflow's root`,
    ],
    [
      'a working folder that is no relative path',
      'command',
      { argv: ['x'], cwd: '/tmp' },
      {},
      `"/tmp" leaves the workflow's root`,
    ],
    [
      'something frozen where everything is trained',
      'qat',
      { scope: 'all', freeze: ['head'] },
      {},
      'with scope "all" nothing is frozen',
    ],
    [
      'learned weight scales of weights that are not folded',
      'qat',
      { scope: 'head', weightScales: 'learned', bn: 'kept' },
      {},
      'learned weight scales are those of folded weights, which "kept" does not have',
    ],
    [
      'learned scales where the profile asks for powers of two',
      'qat',
      { scope: 'head', activationScales: 'learned' },
      { profile: { powerOfTwoScales: true } },
      'learned scales are no powers of two, which the profile asks for',
    ],
    ['one head and all of them', 'train', { train: ['head', 'heads'] }, {}, '"heads" already trains every head'],
    [
      'weights of unknown tasks',
      'train',
      { train: ['backbone', 'heads'], tasks: { depth: 1 } },
      {},
      'task "depth" is not declared',
    ],
    ['training on no loss', 'train', { train: ['head'] }, { task: bare }, 'task "bare" has no loss to train on'],
    ['finetuning on no loss', 'finetune', { distill: 0 }, { task: bare }, 'task "bare" has no loss to train on'],
    [
      'quantised training on no loss',
      'qat',
      { scope: 'head', objective: { distill: 0 } },
      { task: bare },
      'task "bare" has no loss to train on',
    ],
    [
      'a placeholder of no input',
      'command',
      { argv: ['x', '{input:images}'] },
      { given: ['image'] },
      '"{input:images}" names no input of this stage',
    ],
  ])('%s', (_, name, settings, more, message) => {
    expect(
      kind(name)
        .check?.(context(settings, more))
        .map((finding) => finding.message),
    ).toContain(message);
  });

  it('nothing where a task without a loss has a teacher', () => {
    const messages = (name: string, settings: JsonObject) => kind(name).check?.(context(settings, { task: bare }));
    expect(messages('finetune', { distill: 1 })).toEqual([]);
    expect(messages('qat', { scope: 'head', objective: { distill: 1 } })).toEqual([]);
  });

  it('to work without a task or a profile', () => {
    const bare: StageContext = { settings: { scope: 'head' }, tasks: [], given: [] };
    const messages = kind('calibrate')
      .check?.(bare)
      .map((finding) => finding.message);
    expect(messages).toEqual(['a calibrate stage needs a task', 'a calibrate stage needs a profile']);
    expect(kind('analyze').check?.(bare)[0]?.message).toBe('an analyze stage needs a task');
  });
});
