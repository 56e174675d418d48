import { describe, expect, it } from 'vitest';
import { renderGraph } from '../../src/plan/render-graph.ts';
import { command, gate, planOf } from './plan-of.ts';

const plan = planOf({
  name: 'a "quoted" plan',
  stages: {
    m: command(),
    g: gate('m.out', ['good', 'fair', 'bad']),
    x: command({}, { after: 'g:good' }),
    end: { kind: 'stop', after: 'g:bad', with: { reason: 'no' } },
    j: {
      kind: 'select',
      inputs: {
        out: {
          oneOf: [
            { when: 'g:good', from: 'x.out' },
            { when: 'g:fair', from: 'm.out' },
          ],
        },
      },
    },
    many: command({ a: 'j.out', b: 'j.out' }, { forEach: ['one'] }),
  },
});

describe('a plan as a picture', () => {
  it('in Mermaid', () => {
    expect(renderGraph(plan, 'mermaid')).toBe(
      [
        'flowchart TD',
        '  s0["m"]',
        '  s1{"g"}',
        '  s2["x"]',
        '  s3(["end"])',
        '  s4["j"]',
        '  s5["many[one]"]',
        '  s0 --> s1',
        '  s1 -.->|"good"| s2',
        '  s1 -.->|"bad"| s3',
        '  s2 -->|"good"| s4',
        '  s0 -->|"fair"| s4',
        '  s4 --> s5',
        '',
      ].join('\n'),
    );
  });

  it('in Graphviz, with quotes escaped', () => {
    const dot = renderGraph(plan, 'dot').split('\n');
    expect(dot[0]).toBe('digraph "a \\"quoted\\" plan" {');
    expect(dot).toContain('  s1 [label="g", shape=diamond];');
    expect(dot).toContain('  s1 -> s2 [label="good", style=dashed];');
    expect(dot.at(-2)).toBe('}');
  });

  it('with a box around the stages of a template, one inside the other', () => {
    const inner = { stages: { a: command() }, outputs: { out: 'a.out' } };
    const outer = { stages: { i: { kind: 'template', template: 'inner', forEach: ['x'] } } };
    const boxed = planOf({
      name: 'boxes',
      templates: { inner, outer },
      stages: { first: command(), o: { kind: 'template', template: 'outer' } },
    });
    const lines = [
      '  s0["first"]',
      '  subgraph g0["o"]',
      '    subgraph g1["i[x]"]',
      '      s1["a"]',
      '    end',
      '  end',
    ];
    expect(renderGraph(boxed, 'mermaid')).toBe(['flowchart TD', ...lines, ''].join('\n'));
    expect(renderGraph(boxed, 'dot')).toContain('    subgraph cluster_1 { label="i[x]";');
  });

  it('with the stages whose time a budget counts, those of earlier iterations too', () => {
    const until = { metrics: 'step.out', criteria: [{ metric: 'primary', atLeast: 1 }] };
    const budgeted = planOf({
      name: 'budget',
      stages: {
        l: {
          kind: 'loop',
          body: { step: command() },
          maxIterations: 3,
          until,
          budget: '1h',
          onExhausted: 'last',
        },
      },
    });
    const nameOf = (id: string): string => `s${budgeted.stages.findIndex((stage) => stage.id === id)}`;
    const [first, second, judge] = ['l/body[0]/step', 'l/body[1]/step', 'l/until[1]'].map(nameOf);
    const mermaid = renderGraph(budgeted, 'mermaid');
    for (const from of [first, second]) expect(mermaid).toContain(`  ${from} -.->|"time"| ${judge}\n`);
    expect(renderGraph(budgeted, 'dot')).toContain(`  ${first} -> ${judge} [label="time", style=dotted];`);
    // The last judgement goes on with nothing, so it asks for no time.
    expect(mermaid).not.toContain(`|"time"| ${nameOf('l/until[2]')}\n`);
  });

  it('coloured by what a run says of its stages', () => {
    const text = renderGraph(plan, 'mermaid', (stage) => (stage.name === 'x' ? 'not-taken' : undefined));
    expect(text).toContain('s2["x"]:::not_taken');
    expect(text).toContain('classDef not_taken fill:');
  });
});
