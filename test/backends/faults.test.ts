// One bit of a frozen scope's loaded state is flipped, or the scope runs in another state: the stage must fail and name it.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkpointAt } from './artifacts.ts';
import { calibrate, finetune, merge, qat, train, validate } from './orders.ts';
import type { JobOrder } from './worker-rig.ts';
import { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.remove());

type BitFlip = { readonly tensor: string; readonly index: number; readonly bit: number };
type Fault = { readonly scope: string } & (BitFlip | { readonly state: 'FLOAT' });

const LAYER = 'backbone.block3.depthwise';
const HEAD_LAYER = 'detection.features.depthwise';
const VALUE = `${LAYER}.relu`;

/** Every kind of number that a frozen scope holds; bit 0 is one unit in the last place, 31 the sign. */
const floatFaults: readonly { readonly what: string; readonly fault: BitFlip }[] = [
  { what: 'a weight', fault: { tensor: `parameter.${LAYER}.weight`, index: 5, bit: 0 } },
  { what: 'a batch norm mean', fault: { tensor: `parameter.${LAYER}.bn.mean`, index: 2, bit: 3 } },
  { what: 'a batch norm variance', fault: { tensor: `parameter.${LAYER}.bn.variance`, index: 1, bit: 0 } },
  { what: 'a beta', fault: { tensor: `parameter.${LAYER}.bn.beta`, index: 0, bit: 31 } },
];
const scaleFaults: readonly { readonly what: string; readonly fault: BitFlip }[] = [
  { what: 'an activation min', fault: { tensor: `activation.${VALUE}.min`, index: 0, bit: 0 } },
  { what: 'an activation scale', fault: { tensor: `activation.${VALUE}.scale`, index: 0, bit: 0 } },
  { what: 'a weight scale', fault: { tensor: `weight.${LAYER}.weight.scale`, index: 3, bit: 0 } },
];
const STATE = 'the state';

const stages: { readonly [name: string]: (world: World) => Promise<JobOrder> } = {
  'calibrate head': async (w) =>
    calibrate('head', 'segmentation', {
      ...(await w.calibrationBase()),
      backbone: await w.calibratedBackbone(),
      head: await w.head('segmentation'),
    }),
  'qat head': async (w) =>
    qat('head', 'segmentation', {
      ...(await w.base()),
      backbone: await w.calibratedBackbone(),
      head: await w.calibratedHead('segmentation'),
    }),
  finetune: async (w) =>
    finetune('segmentation', {
      ...(await w.base()),
      backbone: await w.calibratedBackbone(),
      head: await w.head('segmentation'),
    }),
  merge: async (w) => merge(await w.mergeInputs()),
};

async function expectViolation(order: JobOrder, fault: Fault): Promise<void> {
  const { result } = await world.rig.run({ ...order, fault });
  const place = 'state' in fault ? 'state: VALIDATION → FLOAT' : `${fault.tensor} at index ${fault.index}: `;
  expect(result).toMatchObject({ status: 'failed', failure: { reason: 'freeze-violated' } });
  const message = result.status === 'failed' ? result.failure.message : '';
  expect(message).toContain(`frozen scope "${fault.scope}" changed: ${place}`);
  expect(message).toMatch(/: \S+ → \S+$/);
}

describe.each(Object.keys(stages))('%s on a frozen quantised backbone', (name) => {
  it('succeeds untouched', async () => {
    const { result, events } = await world.rig.run(await (stages[name] as (w: World) => Promise<JobOrder>)(world));
    expect(result.status).toBe('succeeded');
    expect(
      events.filter((event) => event.type === 'proof' && event.proof.held && event.proof.name === 'freeze'),
    ).not.toEqual([]);
  });

  it.each([...floatFaults, ...scaleFaults])('fails and names $what of which one bit is flipped', async ({ fault }) => {
    const order = await (stages[name] as (w: World) => Promise<JobOrder>)(world);
    await expectViolation(order, { scope: 'backbone', ...fault });
  });

  it(`fails and names ${STATE} when the backbone runs in FLOAT`, async () => {
    const order = await (stages[name] as (w: World) => Promise<JobOrder>)(world);
    await expectViolation(order, { scope: 'backbone', state: 'FLOAT' });
  });
});

describe('merge', () => {
  it.each(['parameter.segmentation.features.depthwise.weight', 'weight.segmentation.features.depthwise.weight.scale'])(
    'fails and names %s of a head',
    async (tensor) => {
      await expectViolation(merge(await world.mergeInputs()), { scope: 'segmentation', tensor, index: 1, bit: 0 });
    },
  );
});

describe('float training', () => {
  it.each(floatFaults)('of a head fails and names $what of the frozen backbone', async ({ fault }) => {
    const order = train(['head'], 'segmentation', { ...(await world.base()), backbone: await world.backbone() });
    await expectViolation(order, { scope: 'backbone', ...fault });
  });

  it.each(floatFaults)('of a backbone fails and names $what of the frozen head', async ({ fault }) => {
    const order = train(['backbone'], 'detection', { ...(await world.base()), head: await world.head('detection') });
    const tensor = fault.tensor.replace(LAYER, HEAD_LAYER);
    await expectViolation(order, { ...fault, scope: 'detection', tensor });
  });
});

describe('qat of a backbone', () => {
  it.each(floatFaults)('fails and names $what of a frozen float head', async ({ fault }) => {
    const order = qat('backbone', 'detection', {
      ...(await world.base()),
      backbone: await world.calibratedBackbone(),
      'heads[detection]': await world.head('detection'),
    });
    const tensor = fault.tensor.replace(LAYER, HEAD_LAYER);
    await expectViolation(order, { ...fault, scope: 'detection', tensor });
  });
});

describe('fault injection', () => {
  const fault = { scope: 'backbone', ...floatFaults[0]?.fault };

  it('is refused unless the environment allows it, whatever the stage', async () => {
    const gate = { ...(await world.gateBase()), backbone: await world.backbone(), head: await world.head('detection') };
    for (const order of [
      await (stages['qat head'] as (w: World) => Promise<JobOrder>)(world),
      validate('detection', [], gate),
    ]) {
      const { result } = await world.rig.run({ ...order, fault, faults: false });
      expect(result).toMatchObject({
        failure: { reason: 'protocol', message: 'fault injection is off (HEADGATE_FAULTS=1 allows it)' },
      });
    }
  });

  it('is not on by the environment alone', async () => {
    const order = await (stages['calibrate head'] as (w: World) => Promise<JobOrder>)(world);
    const [plain, allowed] = [await world.rig.outputs(order), await world.rig.outputs({ ...order, faults: true })];
    expect(await checkpointAt(allowed['head'] as string)).toEqual(await checkpointAt(plain['head'] as string));
  });
});
