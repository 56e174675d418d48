// A loop under a time budget in real runs: it ends on the recorded time of its jobs, whichever run made them. No test waits:
// budgets are taken from what was recorded, or are such that any process, or none, is over them.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { evidenceOf, evidenceWords } from '../../src/console/gate-words.ts';
import { forecastRun, type StageForecast } from '../../src/execute/forecast.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { LatestKeys } from '../../src/store/actions.ts';
import { openStore } from '../../src/store/store.ts';
import { command, planOf } from '../plan/plan-of.ts';
import { Engine, ofType, type Finished } from '../support/engine.ts';

let engine: Engine;
beforeEach(async () => {
  engine = await Engine.inNewFolder();
});
afterEach(() => engine.remove());

/** Every process takes longer than one, and none of these as long as the other. */
const [NEXT_TO_NOTHING, PLENTY] = ['1ms', '10h'];
/** None of them passes; the last one is best, and of the first two the second. */
const SCORES = [0.1, 0.3, 0.9];

const shell = (script: string, argument: object, inputs: object = {}): object => ({
  ...command(inputs),
  with: { argv: ['sh', '-c', script, argument], outputs: { out: { type: 'metrics', path: 'out.json' } } },
});

function workflow(budget: string | null): Plan {
  const document = `{"format":"headgate-metrics","version":1,"task":"t","primary":"score","values":{"score":%s}}`;
  const work = shell(`printf '${document}' "$0" > {output:out}`, {
    $item: [{ $param: 'scores' }, { $iteration: true }],
  });
  return planOf({
    name: 'w',
    params: { scores: SCORES.map(String), budget },
    stages: {
      tune: {
        kind: 'loop',
        body: { work },
        until: { metrics: 'work.out', criteria: [{ metric: 'primary', atLeast: 1 }] },
        maxIterations: { $length: { $param: 'scores' } },
        budget: { $param: 'budget' },
        onExhausted: 'best',
        outputs: { result: 'work.out' },
      },
    },
  });
}

/** Runs it, having seen that the plan announces what the run does. */
async function runAsPlanned(plan: Plan): Promise<Finished> {
  const announced = await forecast(plan);
  const finished = await engine.run(plan);
  expect(finished.outcome.outcome, JSON.stringify(ofType(finished.events, 'stage-failed'))).toBe('succeeded');
  const allowed: { readonly [will in StageForecast['will']]?: readonly (string | undefined)[] } = {
    run: ['succeeded'],
    restore: ['cached'],
    'run-unless-unchanged': ['succeeded', 'cached'],
    unknown: ['succeeded', 'cached', 'not-taken'],
    'not-taken': ['not-taken'],
  };
  for (const { stage, will } of announced) expect(allowed[will], `${stage}: ${will}`).toContain(finished.states[stage]);
  return finished;
}

async function forecast(plan: Plan): Promise<readonly StageForecast[]> {
  const store = openStore(engine.root);
  const latest = await LatestKeys.open(store.layout, plan.workflow);
  return forecastRun({ plan, store, latest, code: { worker: 'test', onnxruntime: '0' }, forced: new Set() });
}

const jobsOf = ({ states }: Finished): readonly string[] =>
  [0, 1, 2].map((k) => states[`tune/body[${k}]/work`] ?? 'no such stage');
const verdictsOf = ({ events }: Finished): readonly string[] =>
  ofType(events, 'gate-decided').map(({ stage, chosen }) => `${stage} ${chosen}`);
const recordedMs = ({ events }: Finished): readonly number[] =>
  ofType(events, 'stage-succeeded')
    .filter(({ stage }) => stage.endsWith('/work'))
    .map(({ milliseconds }) => milliseconds);
/** The iteration whose output the loop gave. */
const given = ({ events }: Finished): number => {
  const ended = [...ofType(events, 'stage-succeeded'), ...ofType(events, 'stage-restored')];
  const digest = ended.find(({ stage }) => String(stage) === 'tune/pick[0]')?.outputs['result']?.digest;
  const made = ended.find(({ stage, outputs }) => stage.endsWith('/work') && outputs['out']?.digest === digest);
  return Number(/\[(\d)\]/.exec(made?.stage ?? '')?.[1]);
};

test('a loop over its budget ends with the best of the iterations it made, and a longer one reuses those', async () => {
  const short = await runAsPlanned(workflow(NEXT_TO_NOTHING));
  expect(jobsOf(short)).toEqual(['succeeded', 'not-taken', 'not-taken']);
  expect(verdictsOf(short)).toEqual(['tune/until[0] spent']);
  expect(given(short)).toBe(0);

  const long = await runAsPlanned(workflow(PLENTY));
  expect(jobsOf(long)).toEqual(['cached', 'succeeded', 'succeeded']);
  expect(verdictsOf(long)).toEqual(['tune/until[0] again', 'tune/until[1] again', 'tune/until[2] exhausted']);
  expect(given(long)).toBe(2);
});

test('the recorded time decides, so that cached iterations end the loop where they would have ended it', async () => {
  const [first = 0, second = 0] = recordedMs(await runAsPlanned(workflow(null)));
  const cut = await runAsPlanned(workflow(`${first}ms`));
  expect(jobsOf(cut)).toEqual(['cached', 'cached', 'not-taken']);
  expect(verdictsOf(cut)).toEqual(['tune/until[0] again', 'tune/until[1] spent']);
  expect(given(cut)).toBe(1);
  expect(
    (await forecast(workflow(`${first}ms`))).filter(({ will }) => will !== 'restore' && will !== 'not-taken'),
  ).toEqual([]);
  const again = await runAsPlanned(workflow(`${first}ms`));
  expect(Object.values(again.states)).not.toContain('succeeded');
  expect(verdictsOf(again)).toEqual(verdictsOf(cut));

  const enough = await runAsPlanned(workflow(`${first + second}ms`));
  expect(jobsOf(enough)).toEqual(['cached', 'cached', 'cached']);
});

test('the verdict keeps the time that it was decided on', async () => {
  const { events } = await runAsPlanned(workflow(NEXT_TO_NOTHING));
  const [verdict] = ofType(events, 'gate-decided').map((event) => event.verdict);
  const [ms = 0] = ofType(events, 'stage-succeeded').map(({ milliseconds }) => milliseconds);
  expect(verdict?.['evidence']).toContainEqual({
    case: 'spent',
    rule: 'longerThan',
    spentMs: ms,
    budgetMs: 1,
    held: true,
  });
  expect(evidenceOf(verdict ?? {}).map(evidenceWords)).toContainEqual(
    expect.stringMatching(/^\d+\.\d s of 0\.0 s spent: no further iteration$/),
  );
});

test('a forced iteration is timed anew, and the loop decides on its new time', async () => {
  const plan = workflow(PLENTY);
  await runAsPlanned(plan);
  const forced = plan.stages.filter(({ id }) => String(id) === 'tune/body[0]/work').map(({ id }) => id);
  const { events } = await engine.run(plan, { forced: new Set(forced) });
  const [ms] = ofType(events, 'stage-succeeded').map(({ milliseconds }) => milliseconds);
  const decided = ofType(events, 'gate-decided').find(({ stage }) => String(stage) === 'tune/until[0]');
  expect(decided?.verdict['evidence']).toContainEqual(expect.objectContaining({ rule: 'longerThan', spentMs: ms }));
});
