// Too many stages: refused before they are made, where what is written says so, and at the stage at which the expansion,
// which counts them one by one, would have found out.
import { describe, expect, it } from 'vitest';
import { sourceDocument } from '../../src/diagnostics/source.ts';
import { resolveDeclarations } from '../../src/plan/declarations.ts';
import { placeBeyond } from '../../src/plan/stage-count.ts';
import { mergeParams } from '../../src/plan/params.ts';
import { parseWorkflow } from '../../src/spec/parse-workflow.ts';
import { stageKinds } from '../../src/stages/registry.ts';
import { command, idsOf, planOf, tryPlan } from './plan-of.ts';

/** Well below what making 100,000 stages takes, which is seconds and half a gigabyte. */
const AT_ONCE_BYTES = 100e6;

function loop(maxIterations: unknown, body: object): object {
  const until = { metrics: 'm.out', criteria: [{ metric: 'x', atLeast: 1 }] };
  return { kind: 'loop', carry: {}, body, until, maxIterations, onExhausted: 'last' };
}

function letters(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `i${index}`);
}

const use = (template: string, more: object = {}): object => ({ kind: 'template', template, ...more });

/** Small ones of every kind that multiplies. */
const workflows: { readonly [what: string]: { readonly templates?: object; readonly stages: object } } = {
  'a fan-out': { stages: { a: command(), b: command({}, { forEach: letters(4) }), c: command() } },
  'a matrix': { stages: { a: command({}, { forEach: { matrix: { x: [1, 2], y: ['p', 'q', 'r'] } } }), b: command() } },
  'loops in a loop': {
    stages: { before: command(), l: loop(2, { l: loop(3, { m: command() }), m: command() }), last: command() },
  },
  'a loop for each of several items': { stages: { l: { ...loop(2, { m: command() }), forEach: letters(3) } } },
  'templates in templates': {
    templates: {
      inner: { stages: { s: command(), t: command() } },
      outer: { stages: { u: use('inner'), v: use('inner', { forEach: letters(2) }), w: command() } },
    },
    stages: { all: use('outer', { forEach: letters(2) }), end: command() },
  },
};

function beyond(most: number, workflow: object): string | undefined {
  const source = sourceDocument('test.json', JSON.stringify({ name: 'w', ...workflow }, null, 2));
  const spec = parseWorkflow(source);
  if (!spec.ok) throw new Error(spec.error.map(({ message }) => message).join('\n'));
  const declarations = resolveDeclarations(spec.value, mergeParams(undefined, [], [], []), stageKinds, []);
  const place = placeBeyond(most, declarations);
  return place && source.text.slice(place.offset, place.offset + place.length);
}

describe('the stages that a workflow has at least', () => {
  it.each(Object.entries(workflows))('are those that the plan has, of %s', (_what, workflow) => {
    const planned = idsOf(planOf({ name: 'w', ...workflow })).length;
    // Groups are counted by the expansion too, though no stage of the plan is one.
    const counted = letters(100).findIndex((_, most) => beyond(most, workflow) === undefined);
    expect(counted).toBeGreaterThanOrEqual(planned);
    expect(beyond(planned - 1, workflow)).toBeDefined();
  });

  it('are told with the place of the first one that is too many', () => {
    const { 'loops in a loop': loops, 'templates in templates': templates } = workflows;
    const nested = Array.from({ length: 13 }, (_, most) => beyond(most, loops ?? {}));
    const inner = ['"m"', '{', '"m"', '{', '"m"', '{']; // a judgement stands where "until" is written
    expect(nested.map((text) => text?.split(/[\s:]/)[0])).toEqual([
      '"before"',
      '"l"',
      '"l"',
      ...inner,
      '"l"',
      '"l"',
      '"l"',
      '"m"',
    ]);
    expect(Array.from({ length: 4 }, (_, most) => beyond(most, templates ?? {}))).toEqual([
      '"all"',
      '"u"',
      '"s"',
      '"t"',
    ]);
  });

  it('leave out what depends on a parameter, on "enabled", and what is refused for another reason', () => {
    for (const stages of [
      { a: command({}, { forEach: { $param: 'many' } }) },
      { l: { ...loop(100, { m: command() }), enabled: { $param: 'yes' } } },
      { l: loop({ $param: 'many' }, { m: command() }) },
      { a: { kind: 'selekt', forEach: letters(3) } },
      { a: use('unknown'), b: use('toString') },
    ])
      expect([stages, beyond(2, { stages })]).toEqual([stages, undefined]);
    const round = { t: { stages: { s: use('t') } } };
    expect(beyond(2, { templates: round, stages: { a: use('t') } })).toBeUndefined();
  });
});

it('loops in loops that would make a million stages are refused before one is made', () => {
  const hundreds = loop(100, { l: loop(100, { l: loop(100, { m: command() }), m: command() }), m: command() });
  const before = process.memoryUsage().heapUsed;
  const plan = tryPlan({ name: 'w', stages: { l: hundreds } });
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(AT_ONCE_BYTES);
  expect(plan.ok ? [] : plan.error.map(({ code }) => code)).toEqual(['HG1715']);
  // The innermost "until": with its 50,000th judgement there are too many.
  expect(plan.ok ? [] : plan.error.map(({ line, lineText }) => `${line} ${lineText.trim()}`)).toEqual([
    '32 "until": {',
  ]);
});
