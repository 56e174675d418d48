import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { codesOf, command, gate, idsOf, planOf, stageOf } from './plan-of.ts';

const m = command();

function workflow(stages: object, params: object = {}): object {
  return { name: 'gates', params, stages: { m, ...stages } };
}

const join = (alternatives: readonly (readonly [string | readonly string[], string])[]): object => ({
  kind: 'select',
  inputs: { out: { oneOf: alternatives.map(([when, from]) => ({ when, from })) } },
});

describe('a join', () => {
  const g = gate('m.out', ['a', 'b', 'c']);
  const x = command({}, { after: 'g:a' });
  const y = command({}, { after: { anyOf: ['g:b', 'g:c'] } });

  it('covers every case once', () => {
    const plan = planOf(
      workflow({
        g,
        x,
        y,
        j: join([
          ['g:a', 'x.out'],
          [['g:b', 'g:c'], 'y.out'],
        ]),
      }),
    );
    expect(stageOf(plan, 'j').inputs['out']).toEqual({
      shape: 'oneOf',
      alternatives: [
        { when: { gate: 'g', cases: ['a'] }, from: { stage: 'x', port: 'out' } },
        { when: { gate: 'g', cases: ['b', 'c'] }, from: { stage: 'y', port: 'out' } },
      ],
    });
  });

  it('may leave out the cases that end the run', () => {
    const stop = { kind: 'stop', after: 'g:c', with: { reason: 'no' } };
    expect(
      codesOf(
        workflow({
          g,
          x,
          j: join([
            ['g:a', 'x.out'],
            ['g:b', 'm.out'],
          ]),
        }),
      ),
    ).toEqual(['HG1415']);
    expect(
      codesOf(
        workflow({
          g,
          x,
          stop,
          j: join([
            ['g:a', 'x.out'],
            ['g:b', 'm.out'],
          ]),
        }),
      ),
    ).toEqual([]);
  });

  it('may leave out the cases that its own `after` rules out', () => {
    expect(codesOf(workflow({ g, x, j: { ...join([['g:a', 'x.out']]), after: 'g:a' } }))).toEqual([]);
  });

  it('does not count a stop that needs more than the case', () => {
    const other = gate('m.out', ['p', 'q']);
    const stop = { kind: 'stop', after: ['g:c', 'other:p'], with: { reason: 'no' } };
    const stages = {
      g,
      other,
      x,
      stop,
      j: join([
        ['g:a', 'x.out'],
        ['g:b', 'm.out'],
      ]),
    };
    expect(codesOf(workflow(stages))).toEqual(['HG1415']);
  });

  it('accepts an alternative behind a second gate whose other cases end the run', () => {
    const inner = gate('y.out', ['good', 'bad']);
    const stop = { kind: 'stop', after: 'inner:bad', with: { reason: 'no' } };
    const z = command({}, { after: 'inner:good' });
    const j = join([
      ['g:a', 'x.out'],
      [['g:b', 'g:c'], 'z.out'],
    ]);
    expect(codesOf(workflow({ g, x, y, inner, z, j }))).toEqual(['HG1416']);
    expect(codesOf(workflow({ g, x, y, inner, stop, z, j }))).toEqual([]);
  });

  it('is itself conditional where all its alternatives are', () => {
    const outer = gate('m.out', ['go', 'halt']);
    const inner = gate('m.out', ['a', 'b'], { after: 'outer:go' });
    const stages = {
      outer,
      inner,
      x: command({}, { after: 'inner:a' }),
      y: command({}, { after: 'inner:b' }),
      j: join([
        ['inner:a', 'x.out'],
        ['inner:b', 'y.out'],
      ]),
      late: command({ x: 'j.out' }, { after: 'outer:halt' }),
    };
    expect(codesOf(workflow(stages))).toEqual(['HG1418']);
  });
});

describe('a case that parameters leave out', () => {
  const g = {
    ...gate('m.out', ['a', 'b', 'c']),
    cases: [
      { name: 'a', criteria: [{ metric: 'x', atLeast: 1 }] },
      { name: 'b', if: { $equals: [{ $param: 'mode' }, 'soft'] } },
      { name: 'c', else: true },
    ],
  };
  const stages = {
    g,
    onB: command({}, { after: 'g:b' }),
    afterB: command({ x: 'onB.out' }),
    onC: command({}, { after: 'g:c' }),
    either: command({}, { after: { anyOf: ['g:a', 'g:b'] } }),
    j: join([
      ['g:a', 'm.out'],
      ['g:b', 'onB.out'],
      ['g:c', 'onC.out'],
    ]),
  };

  it('takes with it whatever hangs on it alone', () => {
    const plan = planOf(workflow(stages, { mode: 'hard' }));
    expect(idsOf(plan)).toEqual(['m', 'g', 'onC', 'either', 'j']);
    expect(stageOf(plan, 'g').settings).toEqual({
      policy: 'own',
      cases: [
        { name: 'a', criteria: [{ metric: 'x', atLeast: 1 }] },
        { name: 'c', criteria: [] },
      ],
    });
    expect(stageOf(plan, 'either').after).toEqual([{ kind: 'case', ref: { gate: 'g', cases: ['a'] } }]);
    expect(stageOf(plan, 'j').inputs['out']).toMatchObject({
      alternatives: [{ when: { cases: ['a'] } }, { when: { cases: ['c'] } }],
    });
  });

  it('and one that they make unconditional leaves out the cases behind it', () => {
    const plan = planOf(workflow(stages, { mode: 'soft' }));
    expect(idsOf(plan)).toEqual(['m', 'g', 'onB', 'afterB', 'either', 'j']);
    expect(stageOf(plan, 'g').settings).toMatchObject({ cases: [{ name: 'a' }, { name: 'b', criteria: [] }] });
  });
});

describe('a gate', () => {
  const peers = { peers: { collect: 'many.out' }, peerReferences: { collect: 'many.out' } };
  const many = command({}, { forEach: ['x', 'y'] });

  it('reads its peers only when it decides for all', () => {
    const inputs = { metrics: 'm.out', ...peers };
    const own = planOf(workflow({ many, g: { ...gate('m.out', ['a', 'b']), inputs } }));
    expect(Object.keys(stageOf(own, 'g').inputs)).toEqual(['metrics']);
    const all = planOf(workflow({ many, g: { ...gate('m.out', ['a', 'b']), inputs, with: { policy: 'all' } } }));
    expect(Object.keys(stageOf(all, 'g').inputs)).toEqual(['metrics', 'peers', 'peerReferences']);
  });

  it('needs its peers when it decides for all', () => {
    expect(codesOf(workflow({ g: { ...gate('m.out', ['a', 'b']), with: { policy: 'all' } } }))).toEqual([
      'HG1302',
      'HG1302',
    ]);
  });

  it('judges its peers on the sets that its own metrics have names for', () => {
    const night = command({}, { forEach: ['x', 'y'] });
    const [sets, ofPeers] = [
      { collect: { day: 'm.out', night: 'm.out' } },
      { collect: { day: { collect: 'many.out' }, night: { collect: { x: 'night.out', y: 'night.out' } } } },
    ];
    const g = (peerReferences: object, criteria: readonly object[] = [{ metric: 'x', percentOfReference: 99 }]) => ({
      ...gate('m.out', ['a', 'b']),
      inputs: { metrics: sets, peers: ofPeers, peerReferences },
      with: { policy: 'all' },
      cases: [
        { name: 'a', criteria, expression: 'metrics.day.x > 0.1' },
        { name: 'b', else: true },
      ],
    });
    const keys = ['day/x', 'day/y', 'night/x', 'night/y'];
    expect(stageOf(planOf(workflow({ many, night, g: g(ofPeers) })), 'g').inputs['peers']).toEqual({
      shape: 'collect',
      items: keys.map((key, index) => ({
        key,
        from: { stage: `${index < 2 ? 'many' : 'night'}[${key.slice(-1)}]`, port: 'out' },
      })),
    });
    const incomplete = { collect: { day: ofPeers.collect.day, night: { collect: { x: 'night.out' } } } };
    expect(codesOf(workflow({ many, night, g: g(incomplete) }))).toEqual(['HG1421']);
    const absolute = [{ metric: 'x', atLeast: 1 }];
    expect(codesOf(workflow({ many, night, g: g(incomplete, absolute) }))).toEqual([]);
    expect(codesOf(workflow({ many, night, g: g(ofPeers, [{ ...absolute[0], set: 'dusk' }]) }))).toEqual(['HG1420']);
  });

  it('keeps named sets, conditions and what says nothing out of its key apart', () => {
    const source = JSON.parse(readFileSync('test/fixtures/workflows/valid/gates.json', 'utf8')) as object;
    const { settings, inputs } = stageOf(planOf(source), 'gate');
    expect(inputs['metrics']).toMatchObject({ shape: 'collect', items: [{ key: 'day' }, { key: 'night' }] });
    expect(settings['cases']).toMatchObject([
      { name: 'pass', criteria: [{ confidence: 0.95 }, { set: 'night', worstClass: true, atLeast: 0.2 }] },
      { name: 'marginal', expression: expect.stringContaining('metrics.day.mAP') as string },
      { name: 'fail', criteria: [] },
    ]);
    const said = { metric: 'x', percentOfReference: 1, strict: false, worstClass: false };
    const plain = { ...gate('m.out', ['a', 'b']), inputs: { metrics: 'm.out', reference: 'm.out' } };
    const cases = [
      { name: 'a', criteria: [said] },
      { name: 'b', else: true },
    ];
    expect(stageOf(planOf(workflow({ g: { ...plain, cases } })), 'g').settings['cases']).toEqual([
      { name: 'a', criteria: [{ metric: 'x', percentOfReference: 1 }] },
      { name: 'b', criteria: [] },
    ]);
  });

  it('takes the sets of its own instance in a fan-out', () => {
    const day = command({}, { forEach: ['x', 'y'] });
    const g = {
      ...gate('m.out', ['a', 'b']),
      forEach: ['x', 'y'],
      inputs: { metrics: { collect: { day: 'day.out', night: 'm.out' } } },
    };
    expect(stageOf(planOf(workflow({ day, g })), 'g[y]').inputs['metrics']).toMatchObject({
      items: [{ from: { stage: 'day[y]' } }, { from: { stage: 'm' } }],
    });
  });

  it('takes an empty history in the first iteration of a loop', () => {
    const g = {
      ...gate('m.out', ['a', 'b']),
      inputs: { metrics: 'm.out', history: { collect: {} } },
      cases: [
        { name: 'a', expression: 'iteration > 0' },
        { name: 'b', else: true },
      ],
    };
    expect(codesOf(workflow({ g }))).toEqual([]);
  });
});
