// Gates that decide on what other gates decided, and templates that read an input key by key.
import { describe, expect, it } from 'vitest';
import { codesOf, command, gate, planOf, stageOf, tryPlan } from './plan-of.ts';

const heads = ['left', 'right'];
const judged = {
  m: command({}, { forEach: heads }),
  g: gate('m.out', ['pass', 'short'], { forEach: heads }),
};
const over = (verdicts: unknown, condition: object): object => ({
  name: 'verdicts',
  stages: {
    ...judged,
    all: {
      kind: 'gate',
      inputs: { verdicts },
      cases: [
        { name: 'keep', verdicts: condition },
        { name: 'escalate', else: true },
      ],
    },
    wider: command({}, { after: 'all:escalate' }),
    end: {
      kind: 'select',
      inputs: {
        out: {
          oneOf: [
            { when: 'all:keep', from: 'm[left].out' },
            { when: 'all:escalate', from: 'wider.out' },
          ],
        },
      },
    },
  },
});

describe('a gate over verdicts', () => {
  it('reads one per key, needs no metrics, and routes like any other', () => {
    const plan = planOf(over({ collect: 'g.verdict' }, { every: ['pass'] }));
    expect(stageOf(plan, 'all').inputs['verdicts']).toMatchObject({
      shape: 'collect',
      items: [
        { key: 'left', from: { stage: 'g[left]', port: 'verdict' } },
        { key: 'right', from: { stage: 'g[right]', port: 'verdict' } },
      ],
    });
    expect(stageOf(plan, 'all').settings['cases']).toMatchObject([{ verdicts: { every: ['pass'] } }, {}]);
    expect(stageOf(plan, 'wider').after).toEqual([{ kind: 'case', ref: { gate: 'all', cases: ['escalate'] } }]);
  });

  it('is refused the name of a case that none of them has, with the names that they have', () => {
    const plan = tryPlan(over({ collect: 'g.verdict' }, { some: ['shrot'] }));
    expect(plan).toMatchObject({ ok: false, error: [{ code: 'HG1428', help: 'did you mean "short"?' }] });
  });

  it('knows the cases behind a join', () => {
    const one = (name: string) => ({ when: `g[left]:${name}`, from: 'g[left].verdict' });
    const joined = (condition: object) => {
      const workflow = over('j.v', condition) as { stages: object };
      const j = { kind: 'select', inputs: { v: { oneOf: [one('pass'), one('short')] } } };
      return codesOf({ ...workflow, stages: { ...workflow.stages, j } });
    };
    expect(joined({ every: ['pass'] })).toEqual([]);
    expect(joined({ every: ['done'] })).toEqual(['HG1428']);
  });

  it('judges no metrics that it does not have, and no verdicts that it does not read', () => {
    const workflow = (inputs: object, condition: object): object => ({
      name: 'x',
      stages: {
        ...judged,
        all: {
          kind: 'gate',
          inputs,
          cases: [
            { name: 'keep', ...condition },
            { name: 'other', else: true },
          ],
        },
      },
    });
    const criteria = [{ metric: 'x', atLeast: 1 }];
    expect(codesOf(workflow({ verdicts: 'g[left].verdict' }, { criteria }))).toEqual(['HG1426']);
    expect(codesOf(workflow({ metrics: 'm[left].out' }, { verdicts: { every: ['pass'] } }))).toEqual(['HG1427']);
  });
});

describe("a loop's judgement", () => {
  const looped = (onExhausted: unknown): object => ({
    name: 'loop',
    stages: {
      tune: {
        kind: 'loop',
        body: { step: command() },
        until: { metrics: 'step.out', criteria: [{ metric: 'x', atLeast: 1 }] },
        maxIterations: 2,
        onExhausted,
      },
      end: {
        kind: 'gate',
        inputs: { verdicts: 'tune.verdict' },
        cases: [
          { name: 'back', verdicts: { every: ['done'] } },
          { name: 'short', else: true },
        ],
      },
    },
  });
  it.each(['best', 'last', 'stop', 'fail'])('is an output of the loop, whatever it does when used up: %s', (action) => {
    const plan = planOf(looped(action));
    const last = stageOf(plan, 'tune/pick[1]').inputs['verdict'];
    const cases = action === 'best' || action === 'last' ? ['done', 'exhausted'] : ['done'];
    expect(last).toMatchObject({ alternatives: [{ when: { cases }, from: { stage: 'tune/until[1]' } }] });
  });
});

describe('an input of a template', () => {
  const workflow = (use: object): object => ({
    name: 'by key',
    templates: {
      both: {
        inputs: { head: {} },
        stages: { each: command({ a: 'inputs.head' }, { forEach: heads }), last: command({ a: 'each[right].out' }) },
        outputs: { out: 'each.out' },
      },
    },
    stages: {
      m: command({}, { forEach: heads }),
      use: { kind: 'template', template: 'both', ...use },
      after: command({ a: 'use.out' }, { forEach: heads }),
    },
  });

  it('that is given as a fan-out is read with the key of the stage inside, and so is an output outside', () => {
    const plan = planOf(workflow({ inputs: { head: 'm.out' } }));
    for (const key of heads) {
      expect(stageOf(plan, `use/each[${key}]`).inputs['a']).toMatchObject({ from: { stage: `m[${key}]` } });
      expect(stageOf(plan, `after[${key}]`).inputs['a']).toMatchObject({ from: { stage: `use/each[${key}]` } });
    }
  });

  it('means the key of the stage that gives it first', () => {
    const plan = planOf({
      ...workflow({ forEach: heads, inputs: { head: 'm.out' } }),
    });
    expect(stageOf(plan, 'use[left]/each[right]').inputs['a']).toMatchObject({ from: { stage: 'm[left]' } });
  });
});
