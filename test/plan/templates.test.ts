// Templates: a sub-DAG with a name, its arguments, its inputs, and what is seen from where.
import { describe, expect, it } from 'vitest';
import { codesOf, command, gate, idsOf, planOf, stageOf } from './plan-of.ts';

const chain = {
  args: { argument: 'x', note: null },
  inputs: { data: {}, extra: { optional: true } },
  stages: {
    first: {
      kind: 'command',
      inputs: { data: 'inputs.data', extra: 'inputs.extra' },
      with: { argv: ['true', { $arg: 'argument' }], outputs: { out: { type: 'metrics', path: 'o' } } },
    },
    second: command({ in: 'first.out' }),
  },
  outputs: { result: 'second.out' },
};

function workflow(stages: object, templates: object = { chain }): object {
  return { name: 'w', templates, stages: { source: command(), ...stages } };
}

describe('a template', () => {
  it('becomes stages whose ids lead through its name', () => {
    const plan = planOf(
      workflow({
        use: { kind: 'template', template: 'chain', inputs: { data: 'source.out' }, with: { argument: 'y' } },
        end: command({ in: 'use.result' }),
      }),
    );
    expect(idsOf(plan)).toEqual(['source', 'use/first', 'use/second', 'end']);
    expect(stageOf(plan, 'use/first').settings['argv']).toEqual(['true', 'y']);
    expect(stageOf(plan, 'use/first').inputs).toEqual({
      data: { shape: 'one', from: { stage: 'source', port: 'out' } },
    });
    expect(stageOf(plan, 'end').inputs['in']).toEqual({ shape: 'one', from: { stage: 'use/second', port: 'out' } });
    expect(stageOf(plan, 'use/first').name).toBe('use/first');
  });

  it('is used once per item of forEach, and its stages refer to each other by key', () => {
    const plan = planOf(
      workflow({
        each: command({}, { forEach: ['a', 'b'] }),
        use: { kind: 'template', template: 'chain', forEach: ['a', 'b'], inputs: { data: 'each.out' } },
        all: command({ in: { collect: 'use.result' } }),
        one: command({ in: 'use[b]/first.out' }),
      }),
    );
    expect(idsOf(plan)).toContain('use[a]/second');
    expect(stageOf(plan, 'use[b]/first').inputs['data']).toEqual({
      shape: 'one',
      from: { stage: 'each[b]', port: 'out' },
    });
    expect(stageOf(plan, 'all').inputs['in']).toEqual({
      shape: 'collect',
      items: [
        { key: 'a', from: { stage: 'use[a]/second', port: 'out' } },
        { key: 'b', from: { stage: 'use[b]/second', port: 'out' } },
      ],
    });
    expect(stageOf(plan, 'one').inputs['in']).toEqual({ shape: 'one', from: { stage: 'use[b]/first', port: 'out' } });
    expect(stageOf(plan, 'use[b]/first').name).toBe('use/first');
  });

  it('collects a stage inside every instance', () => {
    const plan = planOf(
      workflow({
        use: { kind: 'template', template: 'chain', forEach: ['a', 'b'], inputs: { data: 'source.out' } },
        all: command({ in: { collect: 'use/first.out' } }),
      }),
    );
    expect(stageOf(plan, 'all').inputs['in']).toMatchObject({
      items: [{ from: { stage: 'use[a]/first' } }, { from: { stage: 'use[b]/first' } }],
    });
  });

  it('hands joins and collections through an input', () => {
    const joined = {
      kind: 'template',
      template: 'chain',
      inputs: {
        data: {
          oneOf: [
            { when: 'gate:yes', from: 'source.out' },
            { when: 'gate:no', from: 'other.out' },
          ],
        },
        extra: { all: ['source.out', 'other.out'] },
      },
    };
    const plan = planOf(workflow({ other: command(), gate: gate('source.out', ['yes', 'no']), use: joined }));
    expect(stageOf(plan, 'use/first').inputs).toMatchObject({
      data: { shape: 'oneOf', alternatives: [{ from: { stage: 'source' } }, { from: { stage: 'other' } }] },
      extra: { shape: 'collect', items: [{ key: '0' }, { key: '1' }] },
    });
  });

  it('makes every stage inside wait for what its user waits for', () => {
    const plan = planOf(
      workflow({
        gate: gate('source.out', ['yes', 'no']),
        use: { kind: 'template', template: 'chain', after: 'gate:yes', inputs: { data: 'source.out' } },
      }),
    );
    const yes = { kind: 'case', ref: { gate: 'gate', cases: ['yes'] } };
    expect(stageOf(plan, 'use/first').after).toEqual([yes]);
    expect(stageOf(plan, 'use/second').after).toEqual([yes]);
  });

  it('has ended when its outputs are there', () => {
    const plan = planOf(
      workflow({
        use: { kind: 'template', template: 'chain', inputs: { data: 'source.out' } },
        end: command({}, { after: 'use' }),
      }),
    );
    expect(stageOf(plan, 'end').after).toEqual([{ kind: 'stage', stage: 'use/second' }]);
  });

  it('may use other templates, and gates inside are named by their path', () => {
    const outer = {
      inputs: { data: {} },
      stages: {
        inner: { kind: 'template', template: 'chain', inputs: { data: 'inputs.data' } },
        judge: gate('inner.result', ['good', 'bad']),
      },
      outputs: { result: 'inner.result' },
    };
    const plan = planOf(
      workflow(
        {
          use: { kind: 'template', template: 'outer', forEach: ['a', 'b'], inputs: { data: 'source.out' } },
          good: command({}, { after: 'use[*]/judge:good' }),
          bad: command({}, { forEach: ['a', 'b'], after: 'use/judge:bad' }),
        },
        { chain, outer },
      ),
    );
    expect(idsOf(plan)).toContain('use[a]/inner/second');
    expect(stageOf(plan, 'good').after).toHaveLength(2);
    expect(stageOf(plan, 'bad[b]').after).toEqual([{ kind: 'case', ref: { gate: 'use[b]/judge', cases: ['bad'] } }]);
  });

  it('is left out as a whole by "enabled"', () => {
    const use = { kind: 'template', template: 'chain', enabled: false, inputs: { data: 'source.out' } };
    expect(idsOf(planOf(workflow({ use })))).toEqual(['source']);
    expect(codesOf(workflow({ use, end: gate('use.result', ['yes', 'no']) }))).toEqual(['HG1311']);
  });

  it.each([
    ['HG1704', { use: { kind: 'template', template: 'chian', inputs: { data: 'source.out' } } }],
    ['HG1705', { use: { kind: 'template' } }],
    ['HG1702', { use: { kind: 'template', template: 'chain', inputs: { data: 'source.out' }, with: { arg: 1 } } }],
    ['HG1708', { use: { kind: 'template', template: 'chain' } }],
    ['HG1709', { use: { kind: 'template', template: 'chain', inputs: { data: 'source.out', dada: 'source.out' } } }],
    ['HG1707', { use: { kind: 'template', template: 'chain', inputs: { data: 'source.out' }, threads: 2 } }],
    ['HG1707', { use: command({}, { template: 'chain' }) }],
    [
      'HG1105',
      {
        use: { kind: 'template', template: 'chain', inputs: { data: 'source.out' } },
        end: command({ in: 'use.nothing' }),
      },
    ],
    ['HG1716', { end: command({ in: 'source/inner.out' }) }],
    ['HG1701', { end: command({}, { with: { argv: ['true', { $arg: 'x' }] } }) }],
  ])('is refused with %s', (code, stages) => {
    expect(codesOf(workflow(stages))).toEqual([code]);
  });

  it('sees nothing of the workflow but its inputs', () => {
    const nosy = { stages: { look: command({ in: 'source.out' }) } };
    expect(codesOf(workflow({ use: { kind: 'template', template: 'nosy' } }, { nosy }))).toEqual(['HG1104']);
  });

  it('cannot use itself', () => {
    const a = { stages: { x: { kind: 'template', template: 'b' } } };
    const b = { stages: { y: { kind: 'template', template: 'a' } } };
    expect(codesOf(workflow({ use: { kind: 'template', template: 'a' } }, { a, b }))).toEqual(['HG1706']);
  });

  it('cannot multiply without bound', () => {
    const letters = [...'abcdefghij'];
    const levels = Object.fromEntries(
      Array.from({ length: 6 }, (_, level) => [
        `level${level}`,
        {
          stages:
            level === 5
              ? { end: command() }
              : { down: { kind: 'template', template: `level${level + 1}`, forEach: letters } },
        },
      ]),
    );
    expect(codesOf(workflow({ use: { kind: 'template', template: 'level0' } }, levels))).toEqual(['HG1715']);
  });
});

describe('forEach', () => {
  it('makes every combination of a matrix, with its fields', () => {
    const plan = planOf(
      workflow({
        each: command({}, { forEach: ['a', 'b'] }),
        sweep: command(
          { in: 'each.out' },
          {
            forEach: { matrix: { head: ['a', 'b'], rate: [0.1, 0.01] }, exclude: [{ head: 'b', rate: 0.01 }] },
            with: { argv: ['true', { $each: 'head' }], outputs: { out: { type: 'metrics', path: 'o' } } },
          },
        ),
        one: command({ in: 'sweep[b,0.1].out' }),
      }),
    );
    expect(idsOf(plan).filter((id) => id.startsWith('sweep'))).toEqual([
      'sweep[a,0.1]',
      'sweep[a,0.01]',
      'sweep[b,0.1]',
    ]);
    // A part of the key zips with a fan-out over that part.
    expect(stageOf(plan, 'sweep[b,0.1]').inputs['in']).toMatchObject({ from: { stage: 'each[b]' } });
    expect(stageOf(plan, 'sweep[a,0.01]').settings['argv']).toEqual(['true', 'a']);
  });

  it('takes items with fields, and lists from parameters', () => {
    const stages = {
      sized: command(
        {},
        {
          forEach: { $param: 'sizes' },
          with: { argv: ['true', { $each: 'label' }], outputs: { out: { type: 'metrics', path: 'o' } } },
        },
      ),
    };
    const plan = planOf({
      ...workflow(stages),
      params: {
        sizes: [
          { key: 's', label: 'small' },
          { key: 'l', label: 'large' },
        ],
      },
    });
    expect(stageOf(plan, 'sized[l]').settings['argv']).toEqual(['true', 'large']);
  });

  it.each([
    ['HG1727', [{ label: 'x' }]],
    ['HG1215', [{ key: 'a' }, 'a']],
    ['HG1729', { matrix: { a: ['x'] }, exclude: [{ a: 'y' }] }],
    ['HG1216', { matrix: { a: [] } }],
    ['HG1728', { matrix: { a: ['x y'] } }],
  ])('is refused with %s', (code, forEach) => {
    expect(codesOf(workflow({ s: command({}, { forEach }) }))).toContain(code);
  });
});
