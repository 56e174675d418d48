// The table of states, held per scope: float, calibration, QAT, validation and frozen give the same bits whatever ran before,
// and the scopes' order in a request says nothing. (Toolchains that hold the state per process let the last call win.)
import { describe, expect, it } from 'vitest';
import { BACKBONE } from '../../../src/qat/network/network.ts';
import { placementFor } from '../../../src/qat/network/reference.ts';
import type { ScopeForward } from '../../../src/qat/network/reference.ts';
import type { Range } from '../../../src/qat/quantize/checkpoint.ts';
import { compileProgram } from '../../../src/qat/train/program.ts';
import type { TrainState } from '../../../src/qat/train/forward.ts';
import { Trainer } from '../../../src/qat/train/trainer.ts';
import { digestBytes } from '../../../src/support/digest.ts';
import { tensorBytes } from '../../../src/support/tensor.ts';
import type { Tensor } from '../../../src/support/tensor.ts';
import { calibrate, floatScopes, quantisedScopes, runReference } from '../checkpoints.ts';
import { BATCH, parametersOf, randomBatch, smallNetwork, targets, w4a4 } from '../networks.ts';

const HEAD = 'segmentation';
const OUTPUT = 'segmentation.out';
const network = smallNetwork();
const parameters = parametersOf(network);
const float = floatScopes(network);
const calibrated = await calibrate(network, w4a4);
const quantised = quantisedScopes(calibrated);
const ranges = new Map<string, Range>([...calibrated.values()].flatMap(({ quant }) => [...(quant?.activations ?? [])]));
const placement = placementFor(network, quantised);
const batch = randomBatch(3);

type Order = 'as listed' | 'reversed';

const frozenFloat: TrainState = { state: 'FLOAT', trained: false, batchNorm: 'frozen' };
const training: TrainState = { state: 'QAT', trained: true, batchNorm: 'train' };

/** What runs, by the states of backbone and head. */
const rows: { readonly [states: string]: (order: Order) => Promise<string> } = {
  'FLOAT, FLOAT': (order) => forward(float, float, [OUTPUT], order),
  'VALIDATION, FLOAT': (order) => forward(quantised, float, [OUTPUT], order),
  'VALIDATION, VALIDATION': (order) => forward(quantised, quantised, [OUTPUT], order),
  'CALIBRATION, FLOAT': (order) => forward(float, float, [...observed(BACKBONE), OUTPUT], order),
  'VALIDATION, CALIBRATION': (order) => forward(quantised, float, [...observed(HEAD), OUTPUT], order),
  'QAT, frozen FLOAT': (order) =>
    step(
      [
        [BACKBONE, training],
        [HEAD, frozenFloat],
      ],
      order,
    ),
  'QAT, QAT': (order) =>
    step(
      [
        [BACKBONE, training],
        [HEAD, training],
      ],
      order,
    ),
};

function observed(scope: string): readonly string[] {
  return [...placement.ranges].filter(([, quantizer]) => quantizer.scope === scope).map(([value]) => value);
}

async function forward(
  backbone: ReadonlyMap<string, ScopeForward>,
  head: ReadonlyMap<string, ScopeForward>,
  outputs: readonly string[],
  order: Order,
): Promise<string> {
  const scopes = [
    [BACKBONE, backbone.get(BACKBONE)],
    [HEAD, head.get(HEAD)],
  ] as [string, ScopeForward][];
  const request = { scopes: new Map(ordered(scopes, order)), outputs };
  return digestOf(await runReference(network, request, batch));
}

/** Two steps of training: losses, weights, statistics and ranges after them. */
async function step(states: readonly (readonly [string, TrainState])[], order: Order): Promise<string> {
  const optimizer = { kind: 'adamw', weightDecay: 0.01 } as const;
  const program = await compileProgram({
    network,
    scopes: new Map(ordered(states, order)),
    placement,
    constants: parameters,
    ranges,
    activationScales: 'follow',
    losses: [{ kind: 'cross-entropy', ignore: 255, output: OUTPUT, target: `target.${HEAD}`, weight: 1 }],
    targets: targets.filter(({ name }) => name === `target.${HEAD}`),
    batch: BATCH,
    boundaryShapes: new Map(),
    optimizer,
    momentum: 0.1,
  });
  const trainer = await Trainer.start(program, optimizer, 1, { parameters, ranges });
  for (let count = 0; count < 2; count++) await trainer.step(batch, { learningRate: 0.01, averagingConstant: 0.1 });
  const found = new Map<string, Tensor>(trainer.parameters());
  for (const [value, { min, max, scale }] of trainer.ranges(placement))
    found.set(value, { dtype: 'float64', shape: [3], data: Float64Array.of(min, max, scale) });
  await trainer.release();
  return digestOf(found);
}

function ordered<T>(entries: readonly T[], order: Order): readonly T[] {
  return order === 'as listed' ? entries : [...entries].reverse();
}

function digestOf(values: ReadonlyMap<string, Tensor>): string {
  const names = [...values.keys()].sort();
  return names.map((name) => `${name} ${digestBytes(tensorBytes(values.get(name) as Tensor))}`).join('\n');
}

const alone = new Map<string, string>();
for (const [states, run] of Object.entries(rows)) alone.set(states, await run('as listed'));

describe('states of backbone and head', () => {
  it('are told apart by what they compute', () => {
    const outputs = ['FLOAT, FLOAT', 'VALIDATION, FLOAT', 'VALIDATION, VALIDATION'].map((states) => alone.get(states));
    expect(new Set(outputs).size).toBe(3);
    expect(alone.get('QAT, QAT')).not.toBe(alone.get('QAT, frozen FLOAT'));
  });

  it('observe what FLOAT computes, and change none of it', () => {
    const last = (states: string) =>
      alone
        .get(states)
        ?.split('\n')
        .find((line) => line.startsWith(`${OUTPUT} `));
    expect(last('CALIBRATION, FLOAT')).toBe(last('FLOAT, FLOAT'));
    expect(last('VALIDATION, CALIBRATION')).toBe(last('VALIDATION, FLOAT'));
  });

  it.each(Object.keys(rows))(
    'give the same bits after every other row of the table, in either order: %s',
    async (states) => {
      const run = rows[states] as (order: Order) => Promise<string>;
      for (const [other, before] of Object.entries(rows)) {
        await before('reversed');
        expect(await run('reversed'), `after ${other}`).toBe(alone.get(states));
      }
    },
  );
});
