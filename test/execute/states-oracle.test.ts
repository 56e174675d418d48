// Failed, blocked, not-taken and not-started are four things: over random small workflows with failures, the engine's states
// are those of an oracle that knows the graph and nothing else.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PlannedStage } from '../../src/plan/plan.ts';
import { foldRun } from '../../src/report/run-report.ts';
import { Engine } from '../support/engine.ts';
import { instantExecutor } from '../support/instant-executor.ts';
import { ELSE, gate, job, plan } from '../support/plans.ts';

interface Drawn {
  readonly kind: 'job' | 'gate';
  readonly fails: boolean;
  /** Earlier stages, by any number: taken modulo how many there are. */
  readonly needs: readonly number[];
  /** For gates: which case they choose. For followers of a gate: which case they hang on. */
  readonly side: 'pass' | 'low';
}

const drawn: fc.Arbitrary<Drawn> = fc.record({
  kind: fc.constantFrom('job', 'job', 'gate'),
  fails: fc.constantFrom(false, false, false, true),
  needs: fc.array(fc.nat(20), { maxLength: 3 }),
  side: fc.constantFrom('pass', 'low'),
});

const ids = (stages: readonly Drawn[]): readonly string[] => stages.map(({ kind }, index) => `${kind}${index}`);

/** What stage `index` needs: jobs by their end, gates by a case. A gate reads the metrics of the last job before it. */
function needsOf(stages: readonly Drawn[], index: number): readonly number[] {
  const own = stages[index];
  if (own === undefined || index === 0) return [];
  const named = [...new Set(own.needs.map((need) => need % index))];
  if (own.kind === 'job') return named;
  const before = stages.slice(0, index).map(({ kind }) => kind);
  return [before.lastIndexOf('job')];
}

function build(stages: readonly Drawn[]): readonly PlannedStage[] {
  const names = ids(stages);
  return stages.map((own, index) => {
    const id = names[index] ?? '';
    const needs = needsOf(stages, index);
    if (own.kind === 'gate') {
      const atLeast = own.side === 'pass' ? 0 : 1000;
      return gate(id, `${names[needs[0] ?? 0]}.metrics`, [
        { name: 'pass', criteria: [{ metric: 'primary', atLeast }] },
        ELSE('low'),
      ]);
    }
    const after = needs.map((need) =>
      stages[need]?.kind === 'gate' ? `${names[need]}:${own.side}` : (names[need] ?? ''),
    );
    return job(id, { fail: own.fails, number: index }, { after, outputs: { out: 'file', metrics: 'metrics' } });
  });
}

/** The states when everything that can run does. */
function oracle(stages: readonly Drawn[]): { readonly [id: string]: string } {
  const states: string[] = [];
  stages.forEach((own, index) => {
    const needs = needsOf(stages, index);
    const notTaken = needs.some((need) => {
      const gateOf = stages[need];
      const missed =
        own.kind === 'job' && gateOf?.kind === 'gate' && states[need] === 'succeeded' && gateOf.side !== own.side;
      return states[need] === 'not-taken' || missed;
    });
    const blocked = needs.some((need) => states[need] === 'failed' || states[need] === 'blocked');
    const ends = own.kind === 'job' && own.fails ? 'failed' : 'succeeded';
    states.push(notTaken ? 'not-taken' : blocked ? 'blocked' : ends);
  });
  return Object.fromEntries(ids(stages).map((id, index) => [id, states[index] ?? '']));
}

async function statesOf(stages: readonly Drawn[], keepGoing: boolean) {
  const engine = await Engine.inNewFolder();
  try {
    const { events, outcome } = await engine.run(plan(build(stages)), { executor: instantExecutor, keepGoing });
    const report = foldRun(events);
    // Gates with equal numbers share one record: the second of them is restored.
    const ended = (report?.stages ?? []).map(({ id, state }) => [id, state === 'cached' ? 'succeeded' : state]);
    return { outcome, states: Object.fromEntries(ended) as { readonly [id: string]: string } };
  } finally {
    await engine.remove();
  }
}

// The first one is a job, so that every gate has something to read.
const workflow = fc
  .tuple(drawn, fc.array(drawn, { minLength: 1, maxLength: 9 }))
  .map(([first, rest]) => [{ ...first, kind: 'job' as const }, ...rest]);

describe('over random workflows with failures', () => {
  test('a run that keeps going ends every stage as the oracle says, and not with 0 when one failed', async () => {
    await fc.assert(
      fc.asyncProperty(workflow, async (stages) => {
        const expected = oracle(stages);
        const { states, outcome } = await statesOf(stages, true);
        expect(states).toEqual(expected);
        expect(outcome.exitCode).toBe(Object.values(expected).includes('failed') ? 1 : 0);
      }),
      { numRuns: 60, seed: 20261122 },
    );
  }, 120_000);

  test('a run that does not only leaves stages unstarted, and calls them nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(workflow, async (stages) => {
        const expected = oracle(stages);
        const { states, outcome } = await statesOf(stages, false);
        const failed = Object.values(states).includes('failed');
        for (const [id, state] of Object.entries(states)) expect([expected[id], 'pending']).toContain(state);
        expect(failed).toBe(Object.values(expected).includes('failed'));
        if (!failed) expect(states).toEqual(expected);
        expect(outcome.exitCode).toBe(failed ? 1 : 0);
      }),
      { numRuns: 60, seed: 20261122 },
    );
  }, 120_000);
});
