// Gates over named evaluation sets in real runs: with the policy "all", and in a loop that looks back.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CriterionEvidence } from '../../src/execute/gate-evidence.ts';
import { command, planOf } from '../plan/plan-of.ts';
import { Engine, ofType } from '../support/engine.ts';

let engine: Engine;
beforeEach(async () => {
  engine = await Engine.inNewFolder();
});
afterEach(() => engine.remove());

/** A stage that measures each number under the name of its output. */
function measure(
  numbers: { readonly [set: string]: readonly [task: string, value: number] },
  inputs: object = {},
): object {
  const entries = Object.entries(numbers);
  const outputs = Object.fromEntries(entries.map(([set]) => [set, { type: 'metrics', path: `${set}.json` }]));
  const lines = entries.map(([set, [task, value]]) => `printf '%s' '${document(task, value)}' > {output:${set}}`);
  return { ...command(inputs), with: { argv: ['sh', '-c', lines.join(';')], outputs } };
}

function document(task: string, value: number): string {
  const [values, units, higherIsBetter] = [value, 'fraction', true].map((one) => ({ mIoU: one }));
  return JSON.stringify({
    format: 'headgate-metrics',
    version: 1,
    task,
    primary: 'mIoU',
    values,
    units,
    higherIsBetter,
  });
}

const evidenceIn = (verdict: object): readonly CriterionEvidence[] =>
  (verdict as { readonly evidence: readonly CriterionEvidence[] }).evidence;
const linesIn = (verdict: object): readonly string[] =>
  evidenceIn(verdict).map(
    ({ head, set, value, reference, held }) => `${head} ${set} ${value}/${reference} ${held ? 'holds' : 'short'}`,
  );

test('with the policy "all" every peer is judged on every set, against its own reference of that set', async () => {
  const peers = (stages: readonly string[]) => ({
    collect: Object.fromEntries(
      ['day', 'night'].map((set) => [set, { collect: { seg: `${stages[0]}.${set}`, det: `${stages[1]}.${set}` } }]),
    ),
  });
  const sets = { collect: { day: 'seg.day', night: 'seg.night' } };
  const workflow = (nightOfDet: number) => ({
    name: 'w',
    stages: {
      seg: measure({ day: ['segmentation', 0.8], night: ['segmentation', 0.6] }),
      det: measure({ day: ['detection', 0.5], night: ['detection', nightOfDet] }),
      segFloat: measure({ day: ['segmentation', 0.8], night: ['segmentation', 0.6] }),
      detFloat: measure({ day: ['detection', 0.5], night: ['detection', 0.4] }),
      gate: {
        kind: 'gate',
        inputs: { metrics: sets, peers: peers(['seg', 'det']), peerReferences: peers(['segFloat', 'detFloat']) },
        with: { policy: 'all' },
        cases: [
          { name: 'pass', criteria: [{ metric: 'primary', percentOfReference: 99 }] },
          { name: 'fail', else: true },
        ],
      },
    },
  });
  const short = ofType((await engine.run(planOf(workflow(0.3)))).events, 'gate-decided')[0];
  expect([short?.chosen, ...linesIn(short?.verdict ?? {})]).toEqual([
    'fail',
    'segmentation day 0.8/0.8 holds',
    'segmentation night 0.6/0.6 holds',
    'detection day 0.5/0.5 holds',
    'detection night 0.3/0.4 short',
  ]);
  const even = ofType((await engine.run(planOf(workflow(0.4)))).events, 'gate-decided')[0];
  expect(even?.chosen).toBe('pass');
});

test('in a loop hysteresis follows each set through the iterations', async () => {
  // Day meets 0.5 at once and stays near it, night meets it in the second iteration: two in a row are there in the third.
  const night = [0.3, 0.5, 0.45, 0.45];
  const script = `i=$(cat "$1"); printf '%s' "$((i + 1))" > "$2"; eval "v=\\$\$((i + 5))"; printf '%s' '${document('seg', 0.5)}' > "$3"; printf '%s' '${document('seg', 777)}' | sed "s/777/$v/" > "$4"`;
  const start = {
    ...command(),
    with: { argv: ['sh', '-c', 'printf 0 > {output:count}'], outputs: { count: { type: 'file', path: 'count' } } },
  };
  const step = {
    ...command({ count: 'carry.count' }),
    with: {
      argv: [
        'sh',
        '-c',
        script,
        'step',
        '{input:count}',
        '{output:count}',
        '{output:day}',
        '{output:night}',
        ...night.map(String),
      ],
      outputs: {
        count: { type: 'file', path: 'count' },
        day: { type: 'metrics', path: 'day.json' },
        night: { type: 'metrics', path: 'night.json' },
      },
    },
  };
  const tune = {
    kind: 'loop',
    carry: { count: { first: 'start.count', next: 'step.count' } },
    body: { step },
    until: {
      metrics: { collect: { day: 'step.day', night: 'step.night' } },
      criteria: [{ metric: 'primary', atLeast: 0.5, hysteresis: { below: 0.1, iterations: 2 } }],
    },
    maxIterations: 4,
  };
  const { events } = await engine.run(planOf({ name: 'w', stages: { start, tune } }));
  const rows = ofType(events, 'gate-decided').map(({ chosen, verdict }) => [
    chosen,
    ...evidenceIn(verdict).map(({ hysteresis }) => hysteresis?.row),
  ]);
  expect(rows).toEqual([
    ['again', 1, 0],
    ['again', 2, 1],
    ['done', 3, 2],
  ]);
});
