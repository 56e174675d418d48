// What the plan announces is what the run does, over random graphs with gates (on numbers, and on the time that jobs took),
// joins and random edits of them.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { forecastRun, type StageForecast } from '../../src/execute/forecast.ts';
import type { Plan, PlannedStage } from '../../src/plan/plan.ts';
import { LatestKeys } from '../../src/store/actions.ts';
import { recordOverride, removeOverride } from '../../src/store/overrides.ts';
import { openStore } from '../../src/store/store.ts';
import { Random } from '../../src/support/random.ts';
import { Engine, ofType } from '../support/engine.ts';
import { instantExecutor } from '../support/instant-executor.ts';
import { collect, ELSE, gate, job, oneOf, plan, stage } from '../support/plans.ts';

let engine: Engine;
beforeEach(async () => {
  engine = await Engine.inNewFolder();
});
afterEach(async () => {
  await engine.remove();
});

interface Knobs {
  /** One per stage: its setting. */
  readonly settings: readonly number[];
  readonly thresholds: readonly number[];
}

const PARTS = 4;
/** Some instant jobs take longer and some do not. */
const MIDDLING_MS = 5;
const OUTPUTS = { out: 'file', metrics: 'metrics' } as const;

/** Parts in a row, each: work on some earlier results, a gate on it, a branch, a join, something that only waits. */
function randomPlan(shape: Random, { settings, thresholds }: Knobs): Plan {
  const stages: PlannedStage[] = [];
  const results: string[] = [];
  const pick = (): string => results[shape.below(results.length)] ?? '';
  for (let part = 0; part < PARTS; part++) {
    const own = (name: string): string => `${name}${part}`;
    const knob = (index: number) => ({ knob: settings[part * 3 + index] ?? 0, values: 3 });
    const inputs = part === 0 ? {} : { a: pick(), all: collect({ x: pick(), y: pick() }) };
    stages.push(
      job(own('work'), knob(0), { inputs, outputs: OUTPUTS }),
      gate(
        own('gate'),
        `${own('work')}.metrics`,
        [
          { name: 'pass', criteria: [{ metric: 'primary', atLeast: thresholds[part] ?? 1 }] },
          { name: 'spent', criteria: [], longerThanMs: MIDDLING_MS * (part + 1) },
          ELSE('short'),
        ],
        { timed: Array.from({ length: part + 1 }, (_, before) => `work${before}`) },
      ),
      job(own('tune'), knob(1), {
        inputs: { head: `${own('work')}.out` },
        outputs: OUTPUTS,
        after: [`${own('gate')}:short|spent`],
      }),
      stage(own('join'), 'select', {
        inputs: {
          out: oneOf({
            [`${own('gate')}:pass`]: `${own('work')}.out`,
            [`${own('gate')}:short|spent`]: `${own('tune')}.out`,
          }),
        },
        outputs: { out: 'file' },
      }),
      job(own('after'), knob(2), {
        outputs: OUTPUTS,
        after: [shape.below(2) === 0 ? own('join') : `${own('gate')}:pass`],
      }),
    );
    results.push(`${own('work')}.out`, `${own('join')}.out`);
  }
  return plan(stages);
}

function mutated(random: Random, { settings, thresholds }: Knobs): Knobs {
  const change = (values: readonly number[], range: number): readonly number[] => {
    const at = random.below(values.length);
    return values.map((value, index) => (index === at ? random.below(range) : value));
  };
  return random.below(3) === 0
    ? { settings, thresholds: change(thresholds, 4) }
    : { settings: change(settings, 3), thresholds };
}

/** People decide in place of gates, and take it back. */
async function overrideSome(random: Random, planned: Plan): Promise<void> {
  const { workflow, stages } = planned;
  const { layout } = openStore(engine.root);
  const gates = stages.filter(({ kind }) => kind === 'gate');
  const id = gates[random.below(gates.length)]?.id ?? '';
  const key = (await forecast(planned)).find(({ stage: of }) => of === id)?.decision?.key;
  const doing = random.below(3);
  if (doing === 0) await removeOverride(layout, workflow, id);
  if (doing !== 1 || key === undefined) return;
  const override = { case: random.below(2) === 0 ? 'pass' : 'short', who: 'a', why: 'b', when: 'c', key };
  await recordOverride(layout, { workflow, stage: id, override });
}

async function forecast(planned: Plan): Promise<readonly StageForecast[]> {
  const store = openStore(engine.root);
  const latest = await LatestKeys.open(store.layout, planned.workflow);
  return forecastRun({ plan: planned, store, latest, code: { worker: 'test', onnxruntime: '0' }, forced: new Set() });
}

/** What a forecast allows its stage to become. */
function allowed(forecast: StageForecast): readonly string[] {
  switch (forecast.will) {
    case 'restore':
      return forecast.until === undefined ? ['cached'] : ['cached', 'not-taken'];
    case 'run':
      return ['succeeded'];
    case 'run-unless-unchanged':
      return ['succeeded', 'cached'];
    case 'unknown':
      return ['succeeded', 'cached', 'not-taken'];
    case 'not-taken':
      return ['not-taken'];
    default:
      return [];
  }
}

test.each([1, 2, 3])('over random graphs and edits (seed %d)', async (seed) => {
  const random = new Random(seed);
  let [sure, total] = [0, 0];
  for (let graph = 0; graph < 3; graph++) {
    const shape = random.state();
    let knobs: Knobs = {
      settings: Array.from({ length: PARTS * 3 }, () => 0),
      thresholds: Array.from({ length: PARTS }, () => 1),
    };
    for (let edit = 0; edit < 8; edit++) {
      const planned = randomPlan(new Random(shape), knobs);
      const foreseen = await forecast(planned);
      const { states, events, outcome } = await engine.run(planned, { executor: instantExecutor });
      expect(outcome.outcome).toBe('succeeded');
      for (const one of foreseen) {
        // Equal work of two stages is done once: which of them did it is all the same.
        const state = states[one.stage] ?? 'nothing';
        const twin =
          state === 'cached' &&
          ofType(events, 'stage-restored').some(({ stage: id, madeBy }) => id === one.stage && madeBy === outcome.run);
        expect(
          twin ? [...allowed(one), 'cached'] : allowed(one),
          `${one.stage} was announced as ${one.will}`,
        ).toContain(state);
        total++;
        if (allowed(one).length === 1) sure++;
      }
      // Asked again with nothing changed, everything is known.
      expect((await forecast(planned)).every(({ will }) => will === 'restore' || will === 'not-taken')).toBe(true);
      await overrideSome(random, planned);
      knobs = random.below(4) === 0 ? knobs : mutated(random, knobs);
    }
    random.uint32();
  }
  expect(sure / total).toBeGreaterThan(0.5); // announcing "unknown" everywhere would hold, and help nobody
});

test('a long chain plans and runs without deep recursion', async () => {
  const length = 2000;
  const chain = plan(
    Array.from({ length }, (_, index) =>
      stage(
        `s${index}`,
        'select',
        index === 0 ? {} : { inputs: { out: `s${index - 1}.out` }, outputs: { out: 'file' } },
      ),
    ).map((one, index) => (index === 0 ? job('s0') : one)),
  );
  const { states } = await engine.run(chain, { executor: instantExecutor });
  expect(Object.values(states).filter((state) => state === 'succeeded' || state === 'cached')).toHaveLength(length);
  expect((await forecast(chain)).every(({ will }) => will === 'restore')).toBe(true);
});
