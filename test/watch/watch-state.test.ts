// When a watched workflow is planned again: the moves of the machine, one at a time.
import { describe, expect, test } from 'vitest';
import {
  BEGINNING,
  BURST,
  BURST_QUIET_MS,
  DOUBT_MS,
  LONGEST_SETTLING_MS,
  QUIET_MS,
  step,
  type WatchAct,
  type WatchInput,
  type WatchState,
} from '../../src/watch/watch-state.ts';

const source = (at: number): WatchInput => ({ type: 'changed', source: true, at });
const data = (at: number): WatchInput => ({ type: 'changed', source: false, at });
const planned = (plan: Extract<WatchInput, { type: 'planned' }>['plan']): WatchInput => ({ type: 'planned', plan });
const quiet: WatchInput = { type: 'quiet' };

function steps(from: WatchState, ...inputs: readonly WatchInput[]) {
  const acts: WatchAct[] = [];
  let state = from;
  for (const input of inputs) {
    const next = step(state, input);
    state = next.state;
    acts.push(...next.acts);
  }
  return { state, acts };
}
const WATCHING: WatchState = { is: 'watching' };
const plans = (acts: readonly WatchAct[]) => acts.filter(({ act }) => act === 'plan').length;

test('the first plan is told without doubt, valid or not', () => {
  expect(steps(BEGINNING, planned('invalid'))).toEqual({ state: WATCHING, acts: [{ act: 'tell-invalid' }] });
  expect(steps(BEGINNING, planned('other'))).toEqual({
    state: { is: 'replacing', changed: false },
    acts: [{ act: 'replace' }],
  });
});

describe('a burst', () => {
  test('of a thousand changes is planned once, when it has been quiet', () => {
    const burst = Array.from({ length: 1000 }, (_, n) => data(n));
    const { state, acts } = steps(WATCHING, ...burst, quiet);
    expect(state).toMatchObject({ is: 'planning', look: 'first' });
    expect(plans(acts)).toBe(1);
    expect(acts.filter(({ act }) => act === 'wake')).toHaveLength(1000);
  });

  test('that is more than one save waits for longer quiet, for its writer may be slow', () => {
    const changes = (n: number) => Array.from({ length: n }, (_, at) => data(at));
    expect(steps(WATCHING, ...changes(BURST)).acts.at(-1)).toEqual({ act: 'wake', inMs: QUIET_MS });
    expect(steps(WATCHING, ...changes(BURST + 1)).acts.at(-1)).toEqual({ act: 'wake', inMs: BURST_QUIET_MS });
  });

  test('of data that does not end holds an edit of a source up for no longer than said', () => {
    const inMs = (...inputs: readonly WatchInput[]) => steps(WATCHING, ...inputs).acts.at(-1);
    expect(inMs(source(0), data(LONGEST_SETTLING_MS - 10))).toEqual({ act: 'wake', inMs: 10 });
    expect(inMs(source(0), data(LONGEST_SETTLING_MS + 10))).toEqual({ act: 'wake', inMs: 0 });
    expect(inMs(data(0), data(LONGEST_SETTLING_MS + 10))).toEqual({ act: 'wake', inMs: QUIET_MS });
  });
});

describe('an invalid plan', () => {
  const once = steps(WATCHING, source(0), quiet, planned('invalid'));

  test('is looked at again before anyone hears of it', () => {
    expect(once.state).toEqual({ is: 'doubting' });
    expect(once.acts.at(-1)).toEqual({ act: 'wake', inMs: DOUBT_MS });
    expect(steps(once.state, quiet, planned('invalid')).acts).toEqual([{ act: 'plan' }, { act: 'tell-invalid' }]);
  });

  test('is never told when the file was still being written', () => {
    expect(steps(once.state, source(100), quiet, planned('other')).acts.map(({ act }) => act)).toEqual([
      'wake',
      'plan',
      'replace',
    ]);
    const whileRead = steps(WATCHING, source(0), quiet, source(60), planned('invalid'));
    expect(whileRead.state).toMatchObject({ is: 'settling' });
  });
});

test.each(['planning', 'replacing'] as const)('what changes while %s is planned afterwards', (is) => {
  const from: WatchState = is === 'planning' ? { is, look: 'first', changed: false } : { is, changed: false };
  const end: WatchInput = is === 'planning' ? planned('same') : { type: 'replaced' };
  const { state, acts } = steps(from, source(0), end);
  expect(state).toMatchObject({ is: 'settling' });
  expect(acts.at(-1)).toEqual({ act: 'wake', inMs: QUIET_MS });
});

describe('an interrupt', () => {
  test.each<WatchState>([
    WATCHING,
    { is: 'settling', sourceAt: undefined, changes: 1 },
    { is: 'planning', look: 'first', changed: false },
    { is: 'doubting' },
    { is: 'replacing', changed: false },
  ])('in state $is stops the runs, and nothing else happens until they have ended', (state) => {
    const { state: after, acts } = steps(state, { type: 'interrupted', signal: 'SIGINT' }, planned('other'), source(0));
    expect(after).toEqual({ is: 'stopping' });
    expect(acts).toEqual([{ act: 'interrupt-runs', signal: 'SIGINT' }]);
    expect(steps(after, { type: 'runs-ended' })).toEqual({ state: { is: 'ended' }, acts: [{ act: 'end' }] });
  });

  test('that comes again reaches the runs again', () => {
    const twice = steps(WATCHING, { type: 'interrupted', signal: 'SIGINT' }, { type: 'interrupted', signal: 'SIGINT' });
    expect(twice.acts).toHaveLength(2);
  });
});
