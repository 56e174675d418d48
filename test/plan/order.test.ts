import { describe, expect, it } from 'vitest';
import { command, idsOf, planOf, tryPlan } from './plan-of.ts';

describe('the order of a plan', () => {
  it('respects every edge and otherwise follows the file', () => {
    const stages = { d: command({ x: 'b.out' }), a: command(), c: command({}, { after: 'd' }), b: command() };
    expect(idsOf(planOf({ name: 'order', stages }))).toEqual(['a', 'b', 'd', 'c']);
  });

  it('is found for a chain of 5,000 stages written backwards', () => {
    const names = Array.from({ length: 5000 }, (_, index) => `s${index}`);
    const entries = names.map((name, index): [string, object] => [
      name,
      command(index === 0 ? {} : { x: `s${index - 1}.out` }),
    ]);
    const plan = planOf({ name: 'chain', stages: Object.fromEntries(entries.reverse()) });
    expect(idsOf(plan)).toEqual(names);
  });

  it('of a long cycle is refused without recursion, the cycle printed in order from its first stage', () => {
    const names = Array.from({ length: 3000 }, (_, index) => `s${index}`);
    const stages = Object.fromEntries(names.map((name, index) => [name, command({ x: `${names.at(index - 1)}.out` })]));
    const plan = tryPlan({ name: 'ring', stages });
    expect(plan.ok ? '' : plan.error[0]?.message).toBe(
      `these stages wait for each other: ${[...names, 's0'].join(' → ')}`,
    );
  });

  it('names only the stages of the cycle, not those that hang on it', () => {
    const stages = {
      before: command(),
      a: command({ x: 'b.out', y: 'before.out' }),
      b: command({ x: 'a.out' }),
      behind: command({ x: 'b.out' }),
    };
    const plan = tryPlan({ name: 'small', stages });
    expect(plan.ok ? '' : plan.error[0]?.message).toContain(': a → b → a');
  });
});
