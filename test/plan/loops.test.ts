// Loops: unrolled to their bound, iteration by iteration behind gates, joined by selections.
import { describe, expect, it } from 'vitest';
import { codesOf, command, idsOf, planOf, stageOf } from './plan-of.ts';

function loop(more: object = {}): object {
  return {
    kind: 'loop',
    carry: { head: { first: 'start.out', next: 'train.out' } },
    body: {
      train: command({ head: 'carry.head', shared: 'start.out' }),
      check: command({ head: 'train.out' }),
    },
    until: { metrics: 'check.out', reference: 'start.out', criteria: [{ metric: 'x', percentOfReference: 99 }] },
    maxIterations: 3,
    ...more,
  };
}

function workflow(stages: object, params: object = {}): object {
  return { name: 'w', params, stages: { start: command(), ...stages } };
}

function withArgument(argument: object): object {
  return { argv: ['true', argument], outputs: { out: { type: 'metrics', path: 'o' } } };
}

describe('a loop', () => {
  it('is unrolled to its bound, each iteration behind the gate of the one before', () => {
    const plan = planOf(workflow({ loop: loop(), end: command({ in: 'loop.head' }) }));
    expect(idsOf(plan).filter((id) => id.includes('train'))).toEqual([
      'loop/body[0]/train',
      'loop/body[1]/train',
      'loop/body[2]/train',
    ]);
    expect(stageOf(plan, 'loop/body[0]/train').inputs['head']).toMatchObject({ from: { stage: 'start' } });
    expect(stageOf(plan, 'loop/body[2]/train').inputs['head']).toMatchObject({
      from: { stage: 'loop/body[1]/train', port: 'out' },
    });
    expect(stageOf(plan, 'loop/body[0]/train').after).toEqual([]);
    expect(stageOf(plan, 'loop/body[2]/check').after).toEqual([
      { kind: 'case', ref: { gate: 'loop/until[1]', cases: ['again'] } },
    ]);
    expect(stageOf(plan, 'end').inputs['in']).toMatchObject({ from: { stage: 'loop/pick[0]', port: 'head' } });
  });

  it('has no trace of its bound or its criteria in what an iteration does', () => {
    const few = planOf(workflow({ loop: loop() }));
    const many = planOf(workflow({ loop: loop({ maxIterations: 5 }) }));
    for (const id of ['loop/body[0]/train', 'loop/body[2]/train']) {
      const { settings, inputs, seed, threads } = stageOf(few, id);
      expect(stageOf(many, id)).toMatchObject({ settings, inputs, seed, threads });
    }
  });

  it('is judged with the numbers of each iteration against the reference', () => {
    const plan = planOf(workflow({ loop: loop() }));
    expect(stageOf(plan, 'loop/until[1]').inputs).toMatchObject({
      metrics: { from: { stage: 'loop/body[1]/check', port: 'out' } },
      reference: { from: { stage: 'start', port: 'out' } },
    });
    expect(stageOf(plan, 'loop/until[1]').settings['cases']).toMatchObject([{ name: 'done' }, { name: 'again' }]);
    expect(stageOf(plan, 'loop/until[2]').settings).toMatchObject({
      cases: [{ name: 'done' }, { name: 'exhausted' }],
      failOn: ['exhausted'],
    });
  });

  it('ends with the last iteration, the best one or a stop when its iterations are used up', () => {
    const last = planOf(workflow({ loop: loop({ onExhausted: 'last' }) }));
    expect(stageOf(last, 'loop/pick[2]').inputs['head']).toMatchObject({
      alternatives: [{ when: { cases: ['done', 'exhausted'] }, from: { stage: 'loop/body[2]/train' } }],
    });
    const best = planOf(workflow({ loop: loop({ onExhausted: 'best' }) }));
    expect(stageOf(best, 'loop/best').inputs['head']).toMatchObject({ shape: 'collect', items: { length: 3 } });
    expect(stageOf(best, 'loop/pick[2]').inputs['head']).toMatchObject({
      alternatives: [{ when: { cases: ['done'] } }, { when: { cases: ['exhausted'] }, from: { stage: 'loop/best' } }],
    });
    const stop = planOf(workflow({ loop: loop({ onExhausted: { stop: 'not good enough' } }) }));
    expect(stageOf(stop, 'loop/stop').settings['reason']).toBe('not good enough');
  });

  it('with a budget ends after any iteration as if its iterations were used up, on the time of all jobs so far', () => {
    const budget = { budget: '90s' };
    const plain = planOf(workflow({ loop: loop() }));
    expect(stageOf(plain, 'loop/until[1]').timed).toEqual([]);
    expect(idsOf(planOf(workflow({ loop: loop({ budget: { $param: 'none' } }) }, { none: null })))).toEqual(
      idsOf(plain),
    );

    const best = planOf(workflow({ loop: loop({ ...budget, onExhausted: 'best' }) }));
    const until = stageOf(best, 'loop/until[1]');
    expect(until.settings['cases']).toMatchObject([
      { name: 'done' },
      { name: 'spent', longerThanMs: 90_000, criteria: [] },
      { name: 'again' },
    ]);
    expect(until.timed).toEqual([
      'loop/body[0]/train',
      'loop/body[0]/check',
      'loop/body[1]/train',
      'loop/body[1]/check',
    ]);
    expect(stageOf(best, 'loop/until[2]')).toMatchObject({
      timed: [],
      settings: { cases: [{ name: 'done' }, { name: 'exhausted' }] },
    });
    expect(stageOf(best, 'loop/best-so-far[1]').inputs['head']).toMatchObject({ items: { length: 2 } });
    expect(stageOf(best, 'loop/pick[1]').inputs).toMatchObject({
      head: {
        alternatives: [
          { when: { cases: ['done'] }, from: { stage: 'loop/body[1]/train' } },
          { when: { cases: ['spent'] }, from: { stage: 'loop/best-so-far[1]' } },
          { when: { cases: ['again'] }, from: { stage: 'loop/pick[2]' } },
        ],
      },
      verdict: { alternatives: [{ when: { cases: ['done', 'spent'] } }, { when: { cases: ['again'] } }] },
    });

    const last = planOf(workflow({ loop: loop({ ...budget, onExhausted: 'last' }) }));
    expect(stageOf(last, 'loop/pick[0]').inputs['head']).toMatchObject({
      alternatives: [{ when: { cases: ['done', 'spent'] }, from: { stage: 'loop/body[0]/train' } }, {}],
    });
    const stop = planOf(workflow({ loop: loop({ ...budget, onExhausted: { stop: 'not good enough' } }) }));
    expect(stageOf(stop, 'loop/over-budget[0]')).toMatchObject({
      after: [{ kind: 'case', ref: { gate: 'loop/until[0]', cases: ['spent'] } }],
      settings: { reason: 'not good enough' },
    });
    const fail = planOf(workflow({ loop: loop(budget) }));
    expect(stageOf(fail, 'loop/until[0]').settings['failOn']).toEqual(['spent']);
  });

  it('repeats for every item of a list', () => {
    const profiles = { $param: 'profiles' };
    const train = {
      ...command({ head: 'carry.head' }),
      with: withArgument({ $item: [profiles, { $iteration: true }] }),
    };
    const body = { train, check: command({ in: 'train.out' }) };
    const plan = planOf(
      workflow({ loop: loop({ body, maxIterations: { $length: profiles } }) }, { profiles: ['w4a4', 'w8a8'] }),
    );
    expect(idsOf(plan).filter((id) => id.endsWith('train'))).toHaveLength(2);
    expect(stageOf(plan, 'loop/body[1]/train').settings['argv']).toEqual(['true', 'w8a8']);
  });

  it('shows earlier iterations to judgements that look at them, and only to those', () => {
    const criteria = [{ metric: 'x', atLeast: 1, hysteresis: { below: 0.1, iterations: 2 } }];
    const plan = planOf(workflow({ loop: loop({ until: { metrics: 'check.out', criteria } }) }));
    expect(stageOf(plan, 'loop/until[0]').inputs['history']).toEqual({ shape: 'collect', items: [] });
    expect(stageOf(plan, 'loop/until[2]').inputs['history']).toMatchObject({
      items: [{ from: { stage: 'loop/body[0]/check' } }, { from: { stage: 'loop/body[1]/check' } }],
    });
    const counting = { metrics: 'check.out', expression: 'iteration >= 1' };
    const counted = planOf(workflow({ loop: loop({ until: counting }) }));
    expect(stageOf(counted, 'loop/until[1]').inputs['history']).toMatchObject({ items: [{ key: '0' }] });
    expect(stageOf(planOf(workflow({ loop: loop() })), 'loop/until[1]').inputs).not.toHaveProperty('history');
  });

  it('is judged on named evaluation sets, each with its own reference and its own history', () => {
    const criteria = [{ metric: 'x', percentOfReference: 99, hysteresis: { below: 0.1, iterations: 2 } }];
    const until = {
      metrics: { collect: { day: 'check.out', night: 'train.out' } },
      reference: { collect: { night: 'start.out', day: 'start.out' } },
      criteria,
    };
    const { inputs } = stageOf(planOf(workflow({ loop: loop({ until }) })), 'loop/until[2]');
    expect(inputs['metrics']).toMatchObject({
      items: [
        { key: 'day', from: { stage: 'loop/body[2]/check' } },
        { key: 'night', from: { stage: 'loop/body[2]/train' } },
      ],
    });
    expect(inputs['history']).toMatchObject({
      items: [
        { key: '0/day', from: { stage: 'loop/body[0]/check' } },
        { key: '0/night', from: { stage: 'loop/body[0]/train' } },
        { key: '1/day', from: { stage: 'loop/body[1]/check' } },
        { key: '1/night', from: { stage: 'loop/body[1]/train' } },
      ],
    });
    const fanOut = {
      ...until,
      metrics: { collect: 'check.out' },
      reference: undefined,
      criteria: [{ metric: 'x', atLeast: 1 }],
    };
    const checks = command({ head: 'train.out' }, { forEach: ['a', 'b'] });
    const body = { train: command({ head: 'carry.head' }), check: checks };
    expect(stageOf(planOf(workflow({ loop: loop({ until: fanOut, body }) })), 'loop/until[0]').inputs).toMatchObject({
      metrics: { items: [{ key: 'a', from: { stage: 'loop/body[0]/check[a]' } }, { key: 'b' }] },
    });
    expect(codesOf(workflow({ loop: loop({ until: { ...until, reference: 'start.out' } }) }))).toContain('HG1421');
    expect(codesOf(workflow({ loop: loop({ until, onExhausted: 'best' }) }))).toEqual(['HG1718']);
  });

  it('runs once per item, and reads what stands around it by key', () => {
    const plan = planOf(
      workflow({
        base: command({}, { forEach: ['a', 'b'] }),
        loop: loop({
          forEach: ['a', 'b'],
          carry: { head: { first: 'base.out', next: 'train.out' } },
          body: { train: command({ head: 'carry.head', same: 'base.out' }), check: command({ in: 'train.out' }) },
          outputs: { checked: 'check.out' },
        }),
        end: command({ in: 'loop.checked' }, { forEach: ['a', 'b'] }),
      }),
    );
    expect(stageOf(plan, 'loop[b]/body[1]/train').inputs).toMatchObject({
      head: { from: { stage: 'loop[b]/body[0]/train' } },
      same: { from: { stage: 'base[b]' } },
    });
    expect(stageOf(plan, 'end[a]').inputs['in']).toMatchObject({ from: { stage: 'loop[a]/pick[0]', port: 'checked' } });
  });

  it('knows the number of the iteration where it is asked for', () => {
    const train = {
      kind: 'command',
      inputs: { head: 'carry.head' },
      with: {
        argv: ['true', { $choose: [{ $equals: [{ $iteration: true }, 1] }, 'second', 'other'] }],
        outputs: { out: { type: 'metrics', path: 'o' } },
      },
    };
    const plan = planOf(workflow({ loop: loop({ body: { train, check: command({ in: 'train.out' }) } }) }));
    expect(stageOf(plan, 'loop/body[1]/train').settings['argv']).toEqual(['true', 'second']);
    expect(stageOf(plan, 'loop/body[2]/train').settings['argv']).toEqual(['true', 'other']);
  });

  it('may stand inside a template, and a template inside its body', () => {
    const inner = {
      inputs: { head: {} },
      stages: { train: command({ in: 'inputs.head' }), check: command({ in: 'train.out' }) },
      outputs: { head: 'train.out', metrics: 'check.out' },
    };
    const tune = {
      inputs: { head: {}, reference: {} },
      stages: {
        loop: {
          kind: 'loop',
          carry: { head: { first: 'inputs.head', next: 'round.head' } },
          body: { round: { kind: 'template', template: 'inner', inputs: { head: 'carry.head' } } },
          until: {
            metrics: 'round.metrics',
            reference: 'inputs.reference',
            criteria: [{ metric: 'x', percentOfReference: 99 }],
          },
          maxIterations: 2,
          onExhausted: 'best',
        },
      },
      outputs: { head: 'loop.head' },
    };
    const plan = planOf({
      name: 'w',
      templates: { inner, tune },
      stages: {
        start: command({}, { forEach: ['a', 'b'] }),
        use: {
          kind: 'template',
          template: 'tune',
          forEach: ['a', 'b'],
          inputs: { head: 'start.out', reference: 'start.out' },
        },
        end: command({ in: { collect: 'use.head' } }),
      },
    });
    expect(stageOf(plan, 'use[b]/loop/body[1]/round/train').inputs['in']).toMatchObject({
      from: { stage: 'use[b]/loop/body[0]/round/train' },
    });
    expect(stageOf(plan, 'use[b]/loop/until[0]').inputs['reference']).toMatchObject({ from: { stage: 'start[b]' } });
  });

  it.each([
    ['HG1712', { maxIterations: undefined }],
    ['HG1713', { maxIterations: { $param: 'many' } }],
    ['HG1713', { maxIterations: { $param: 'half' } }],
    ['HG1714', { outputs: { head: 'train.out' } }],
    ['HG1710', { body: { train: command({ in: 'carry.haed' }), check: command() } }],
    ['HG1218', { onExhausted: { $param: 'many' } }],
    ['HG1218', { budget: { $param: 'many' } }],
    ['HG1707', { with: {} }],
    ['HG1104', { carry: { head: { first: 'start.out', next: 'trian.out' } } }],
  ])('is refused with %s', (code, more) => {
    expect(codesOf({ ...workflow({ loop: loop(more) }), params: { many: 1000, half: 0.5 } })).toContain(code);
  });

  it('refuses its fields on other kinds', () => {
    expect(codesOf(workflow({ end: command({}, { maxIterations: 2 }) }))).toEqual(['HG1707']);
  });
});
