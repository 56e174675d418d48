// `retry` as people write it, and what the plan makes of it.
import { describe, expect, it } from 'vitest';
import type { Json } from '../../src/support/json.ts';
import { codesOf, command, planOf, stageOf, tryPlan } from './plan-of.ts';

const workflow = (retry: Json): object => ({
  name: 'w',
  params: { n: 2, r: { attempts: 2, on: ['timed-ou'] } },
  stages: { a: command({}, { retry }) },
});
const retries = (retry: Json): object => {
  const stage = stageOf(planOf(workflow(retry)), 'a');
  return { retries: stage.retries, ...stage.retryRules };
};
const usual = { firstMs: 1000, factor: 2, mostMs: 60_000, jitter: false };

describe('retry', () => {
  it('may be a number of further tries, or a parameter that holds one', () => {
    expect(retries(2)).toEqual({ retries: 2, backoff: usual });
    expect(retries({ $param: 'n' })).toEqual({ retries: 2, backoff: usual });
    expect(retries(0)).toEqual({ retries: 0 });
  });

  it('may be an object, whose attempts count the first one too', () => {
    const backoff = { first: '500ms', factor: 3, most: '2m', jitter: true };
    expect(retries({ attempts: 3, backoff, on: ['timed-out', 'job-failed:out-of-memory'] })).toEqual({
      retries: 2,
      backoff: { firstMs: 500, factor: 3, mostMs: 120_000, jitter: true },
      on: ['timed-out', 'job-failed:out-of-memory'],
    });
    expect(retries({ attempts: { $param: 'n' } })).toEqual({ retries: 1, backoff: usual });
  });

  it.each([
    ['a negative number', -1, ['HG1115']],
    ['no attempts', { on: ['timed-out'] }, ['HG1218']],
    ['a reason that does not exist', { attempts: 2, on: ['bad-luck'] }, ['HG1114']],
    ["a job's reason that does not exist", { attempts: 2, on: ['job-failed:loss-not-finit'] }, ['HG1114']],
    ["a package's reason in no form of one", { attempts: 2, on: ['job-failed:x-'] }, ['HG1117']],
    ["a package's reason on a kind without it", { attempts: 2, on: ['job-failed:x-busy'] }, ['HG1114']],
    ['a reason in a parameter that does not exist', { $param: 'r' }, ['HG1114']],
    ['a time of another form', { attempts: 2, backoff: { first: 'soon' } }, ['HG1117']],
    ['a time beyond any timer', { attempts: 2, backoff: { first: '100000h' } }, ['HG1218']],
    ['an unknown key', { attempts: 2, wait: '1s' }, ['HG1111']],
  ] as const)('is refused with %s', (_, retry, codes) => {
    expect(codesOf(workflow(retry))).toEqual(codes);
  });

  it('names the nearest reason for one that does not exist', () => {
    const planned = tryPlan(workflow({ attempts: 2, on: ['job-failed:loss-not-finit'] }));
    const [problem] = planned.ok ? [] : planned.error;
    expect(problem).toMatchObject({ code: 'HG1114', line: 30, column: 12 });
    expect(problem?.help).toContain('did you mean "job-failed:loss-not-finite"?');
  });
});
