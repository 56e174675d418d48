// Batch norm that one QAT folded away is not trained by the next one: it would normalise layers that are whole without it.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkpointAt } from './artifacts.ts';
import { qat, training } from './orders.ts';
import { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.remove());

it('is declared, refused where it is to be trained again, and gone on with where it stays folded', async () => {
  const base = { ...(await world.base()), 'heads[detection]': await world.head('detection') };
  const still = training(1, 0);
  const order = (bn: string, backbone: string) =>
    qat('backbone', 'detection', { ...base, backbone }, { bn, training: still });
  const first = await world.rig.outputs(order('folded', await world.calibratedBackbone()));
  const folded = first['backbone'] as string;
  expect((await checkpointAt(folded)).transformations).toEqual(['batch-norm-folding']);
  for (const bn of ['train', 'kept'])
    expect((await world.rig.run(order(bn, folded))).result).toMatchObject({
      status: 'failed',
      failure: { reason: 'load-order', message: expect.stringContaining(`"bn": "${bn}" would normalise`) as string },
    });
  const again = await world.rig.outputs(order('folded', folded));
  const [before, after] = [await checkpointAt(folded), await checkpointAt(again['backbone'] as string)];
  expect(after.transformations).toEqual(['batch-norm-folding']);
  expect(after.quant?.weights).toEqual(before.quant?.weights);
});
