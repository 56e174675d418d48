import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseMetrics } from '../../src/execute/metrics-document.ts';
import { checkpointAt, digestsOf, jsonAt } from './artifacts.ts';
import type { MetricsDocument } from './artifacts.ts';
import { finetune, modelOrder, TASKS, train, validate } from './orders.ts';
import { outputsOf } from './worker-rig.ts';
import { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.remove());

/** Names of the parameters that are not the same bits in both. */
async function changedBetween(before: string, after: string): Promise<readonly string[]> {
  const [old, now] = [await checkpointAt(before), await checkpointAt(after)];
  expect([...now.parameters.keys()].sort()).toEqual([...old.parameters.keys()].sort());
  return [...old.parameters]
    .filter(([name, { data }]) => data.join() !== now.parameters.get(name)?.data.join())
    .map(([name]) => name);
}

describe('the model job', () => {
  it('gives equal bytes for equal seeds and other weights for another seed', async () => {
    const of = async (seed: number) => digestsOf(await world.rig.outputs({ ...modelOrder, seed }));
    expect(await of(3)).toEqual(await of(3));
    expect(await of(4)).not.toEqual(await of(3));
  });
});

describe('the train job', () => {
  it('trains backbone and head together, batch norm statistics included', async () => {
    const done = await world.rig.run(train(['backbone', 'head'], 'detection', await world.base()));
    const { backbone, head, report } = outputsOf(done);
    expect(await jsonAt(report as string)).toMatchObject({ format: 'headgate-training', steps: 4 });
    expect(done.events.filter(({ type }) => type === 'resume-state')).toEqual([{ type: 'resume-state', step: 4 }]);
    expect(await checkpointAt(head as string)).toMatchObject({ scope: 'detection', state: 'float' });
    const again = await world.rig.outputs(
      train(['backbone', 'head'], 'detection', {
        ...(await world.base()),
        backbone: backbone as string,
        head: head as string,
      }),
    );
    const changed = await changedBetween(backbone as string, again['backbone'] as string);
    expect(changed).toEqual([...(await checkpointAt(backbone as string)).parameters.keys()]);
  });

  it('trains a head on the frozen backbone, which it proves unchanged', async () => {
    const backbone = await world.backbone();
    const done = await world.rig.run(train(['head'], 'segmentation', { ...(await world.base()), backbone }));
    expect(Object.keys(outputsOf(done)).sort()).toEqual(['head', 'report']);
    expect(done.events).toContainEqual({
      type: 'proof',
      proof: {
        name: 'freeze',
        held: true,
        text: expect.stringMatching(
          /^backbone: \d+ tensors, \d+ values bit-equal, state FLOAT, \d+ boundary values/,
        ) as string,
      },
    });
  });

  it('trains a backbone through a frozen head, which it proves unchanged and without gradients', async () => {
    const head = await world.head('detection');
    const done = await world.rig.run(train(['backbone'], 'detection', { ...(await world.base()), head }));
    expect(Object.keys(outputsOf(done)).sort()).toEqual(['backbone', 'report']);
    expect(done.events).toContainEqual({
      type: 'proof',
      proof: {
        name: 'freeze',
        held: true,
        text: expect.stringMatching(
          /^detection: .* in the graph that ran; state FLOAT, no gradient; \d+ output values of a 16-image probe bit-equal$/,
        ) as string,
      },
    });
  });

  it('learns: after twelve epochs both heads are better than chance', async () => {
    for (const task of TASKS) {
      const inputs = { ...(await world.gateBase()), backbone: await world.backbone(), head: await world.head(task) };
      const { metrics } = await world.rig.outputs(validate(task, [], inputs));
      const { values, primary, count } = await jsonAt<MetricsDocument>(metrics as string);
      expect(count).toBe(32);
      expect(values[primary]).toBeGreaterThan(0.3);
    }
  });

  it.each(TASKS)('writes replicates of the %s metrics that pair with any others on the same images', async (task) => {
    const inputs = { ...(await world.gateBase()), backbone: await world.backbone(), head: await world.head(task) };
    const order = validate(task, [], inputs);
    const bootstrap = { count: 40, seed: 2, block: 4 };
    const drawn = await world.rig.outputs({ ...order, settings: { ...order.settings, bootstrap } });
    const parsed = parseMetrics('metrics', await readFile(drawn['metrics'] as string, 'utf8'));
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
    const { fact, classes, replicates } = parsed.value;
    expect(replicates).toMatchObject({ method: 'bootstrap', ...bootstrap, images: 32 });
    expect(Object.keys(replicates?.values ?? {})).toEqual(Object.keys(fact.values));
    expect(Object.keys(replicates?.classes[fact.primary] ?? {})).toEqual(Object.keys(classes[fact.primary] ?? {}));
    const plain = await jsonAt<MetricsDocument>((await world.rig.outputs(order))['metrics'] as string);
    expect(plain.values).toEqual(fact.values);
  });

  it('trains by SGD with a warm-up too', async () => {
    const inputs = { ...(await world.base()), backbone: await world.backbone() };
    const job = await world.rig.step(
      train(['head'], 'segmentation', inputs, {
        training: {
          epochs: 2,
          batch: 16,
          learningRate: 0.08,
          schedule: { kind: 'constant', warmupEpochs: 1 },
          optimizer: { kind: 'sgd', weightDecay: 0.001, momentum: 0.9 },
        },
      }),
    );
    const { result, events } = await job.ended();
    expect(result.status).toBe('succeeded');
    const rates = events.flatMap((event) => (event.type === 'progress' ? [event.learningRate] : []));
    // Which steps are told depends on the clock; the last one always is.
    for (const rate of rates) expect([0.02, 0.04, 0.06, 0.08]).toContain(rate);
    expect(rates.at(-1)).toBe(0.08);
  });

  it('gives equal bytes when run again, and other ones with another seed', async () => {
    const order = train(['head'], 'segmentation', { ...(await world.base()), backbone: await world.backbone() });
    const first = await digestsOf(await world.rig.outputs(order));
    expect(await digestsOf(await world.rig.outputs(order))).toEqual(first);
    expect(await digestsOf(await world.rig.outputs({ ...order, seed: 1 }))).not.toEqual(first);
  });

  it('fails with the loss, the step and a remedy when the loss is not finite', async () => {
    const order = train(['backbone', 'head'], 'detection', await world.base());
    const settings = { ...order.settings, training: { ...(order.settings['training'] as object), learningRate: 1e30 } };
    const { result } = await world.rig.run({ ...order, settings });
    expect(result).toMatchObject({
      status: 'failed',
      failure: {
        reason: 'loss-not-finite',
        message: expect.stringMatching(/loss\S* became (NaN|-?Infinity) at step \d/) as string,
      },
    });
  });
});

describe('the finetune job', () => {
  it.each([0, 1])('adapts a float head to the quantised backbone, with distillation %d', async (distill) => {
    const [backbone, head] = [await world.calibratedBackbone(), await world.head('segmentation')];
    const done = await world.rig.run(
      finetune('segmentation', { ...(await world.base()), backbone, head }, { distill }),
    );
    const tuned = outputsOf(done)['head'] as string;
    expect(await checkpointAt(tuned)).toMatchObject({ scope: 'segmentation', state: 'float' });
    expect((await changedBetween(head, tuned)).length).toBeGreaterThan(0);
    expect(done.events.find(({ type }) => type === 'proof')).toMatchObject({
      proof: { text: expect.stringContaining('state VALIDATION') as string },
    });
  });
});
