// The self-tests that a `validate` job may be asked for: they hold on what the jobs made, report what they compared, and each
// that can be made to fail names what is wrong.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/support/json.ts';
import { withValue } from './altered.ts';
import { checkpointAt } from './artifacts.ts';
import { validate, w4a4, w8a8 } from './orders.ts';
import type { Inputs } from './orders.ts';
import { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.remove());

const OF_SCOPES = [
  'fake-quant',
  'float-identity',
  'freeze-proof',
  'gradients',
  'load-order',
  'state-order',
  'validation-twice',
  'zero-learning-rate',
];

async function headInputs(profile: JsonObject): Promise<Inputs> {
  return {
    ...(await world.gateBase()),
    backbone: await world.calibratedBackbone(profile),
    head: await world.calibratedHead('segmentation', profile),
  };
}

describe('self-tests of a stage', () => {
  it.each([w8a8, w4a4, { ...w8a8, rounding: 'inverse-multiply' }, { ...w8a8, powerOfTwoScales: true }])(
    'hold for a calibrated head on its backbone, and are in the report: %j',
    async (profile) => {
      const order = validate('segmentation', ['backbone', 'head'], await headInputs(profile), { selfTests: OF_SCOPES });
      const { result, events, folder } = await world.rig.run(order);
      expect(result.status === 'failed' ? result.failure.message : '').toBe('');
      expect(result).toMatchObject({ status: 'succeeded', outputs: { report: 'report.json' } });
      const report = JSON.parse(await readFile(`${folder}/out/report.json`, 'utf8')) as JsonObject;
      expect(report).toMatchObject({ format: 'headgate-self-tests', version: 1 });
      expect(Object.keys(report['selfTests'] as JsonObject).sort()).toEqual(OF_SCOPES);
      const proofs = events.flatMap((event) => (event.type === 'proof' ? [event.proof] : []));
      expect(proofs.filter(({ name, held }) => name === 'self-test' && held)).toHaveLength(OF_SCOPES.length);
    },
  );

  it('hold for a calibrated backbone under a float head, whose memory stands still over a thousand steps', async () => {
    const inputs = {
      ...(await world.gateBase()),
      backbone: await world.calibratedBackbone(),
      head: await world.head('detection'),
    };
    const selfTests = [...OF_SCOPES, 'memory'];
    const { result, events } = await world.rig.run(validate('detection', ['backbone'], inputs, { selfTests }));
    expect(result.status).toBe('succeeded');
    const proofs = events.flatMap((event) => (event.type === 'proof' ? [event.proof.text] : []));
    expect(proofs).toContainEqual(expect.stringMatching(/^detection, memory: [\d.]+ MiB after 200 steps of QAT/));
  });

  it('hold for a merged model, its export among them', async () => {
    const inputs = { merged: await world.merged(), 'data[gate]': world.gateData };
    const selfTests = [...OF_SCOPES, 'export'];
    const { result } = await world.rig.run(validate('segmentation', [], inputs, { selfTests }));
    expect(result.status).toBe('succeeded');
  });

  it('fail the stage where QAT at learning rate 0 finds another weight scale than was saved', async () => {
    const inputs = await headInputs(w8a8);
    const { quant } = await checkpointAt(inputs['head'] as string);
    const [weight, scales] = [...(quant?.weights ?? [])][0] as [string, Float32Array];
    const lagging = Math.fround((scales[0] as number) * 1.001);
    const head = await withValue(inputs['head'] as string, `weight.${weight}.scale`, 0, lagging);
    const order = validate('segmentation', ['backbone', 'head'], { ...inputs, head }, { selfTests: OF_SCOPES });
    expect((await world.rig.run(order)).result).toMatchObject({
      status: 'failed',
      failure: {
        reason: 'self-test-failed',
        message: expect.stringMatching(
          new RegExp(
            `^self-test "zero-learning-rate" of task "segmentation" failed: .* weight.${weight}.scale at index 0`,
          ),
        ) as string,
      },
    });
  });
});
