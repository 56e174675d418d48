// Pitfalls of what should stand still, each as a stage of headgate meets it. docs/pitfalls.md tells them.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ScopeCheckpoint } from '../../src/qat/quantize/checkpoint.ts';
import { checkpointAt } from '../backends/artifacts.ts';
import { altered } from '../backends/altered.ts';
import { qat, taskSettings, train, training } from '../backends/orders.ts';
import type { Inputs } from '../backends/orders.ts';
import { outputsOf } from '../backends/worker-rig.ts';
import type { DoneJob, JobOrder } from '../backends/worker-rig.ts';
import { World } from '../backends/world.ts';

let world: World;
let inputs: Inputs;
beforeAll(async () => {
  world = await World.start();
  inputs = {
    ...(await world.base()),
    backbone: await world.calibratedBackbone(),
    head: await world.calibratedHead('segmentation'),
  };
});
afterAll(() => world.remove());

async function refusal(order: JobOrder): Promise<string> {
  const { result, events } = await world.rig.run(order);
  expect(events).toEqual([]);
  return result.status === 'failed' ? `${result.failure.reason}: ${result.failure.message}` : 'it ran';
}

describe('a head’s training with everything on that could move its frozen backbone', () => {
  let done: DoneJob;
  let held: ScopeCheckpoint;
  let given: ScopeCheckpoint;
  beforeAll(async () => {
    const everything = {
      training: { ...training(2, 0.02), optimizer: { kind: 'sgd', weightDecay: 0.1, momentum: 0.9 } },
      activationScales: 'follow',
      averagingConstant: 0.5,
      bn: 'train',
    };
    done = await world.rig.run(qat('head', 'segmentation', inputs, everything));
    held = await checkpointAt(join(done.folder, 'out/frozen-backbone.safetensors'));
    given = await checkpointAt(inputs['backbone'] as string);
  });

  it('leaves the running statistics of the backbone’s batch norms bit-equal', () => {
    const statistics = [...given.parameters].filter(([name]) => /\.(mean|variance)$/.test(name));
    expect(statistics.length).toBeGreaterThan(10);
    for (const [name, { data }] of statistics) expect(held.parameters.get(name)?.data, name).toEqual(data);
  });

  it('leaves the backbone’s weights bit-equal under weight decay and momentum', async () => {
    const weights = [...given.parameters].filter(([name]) => name.endsWith('weight'));
    expect(weights.length).toBeGreaterThan(5);
    for (const [name, { data }] of weights) expect(held.parameters.get(name)?.data, name).toEqual(data);
    // The head's own did move.
    const head = await checkpointAt(outputsOf(done)['head'] as string);
    const before = await checkpointAt(inputs['head'] as string);
    const own = 'segmentation.features.depthwise.weight';
    expect(head.parameters.get(own)?.data).not.toEqual(before.parameters.get(own)?.data);
  });

  it('leaves the backbone’s scales and ranges bit-equal while the head’s own follow', async () => {
    expect(held.quant).toEqual(given.quant);
    const head = await checkpointAt(outputsOf(done)['head'] as string);
    const before = await checkpointAt(inputs['head'] as string);
    expect(head.quant?.activations).not.toEqual(before.quant?.activations);
  });

  it('says so: the proof names tensors, state and probe', () => {
    const proofs = done.events.flatMap((event) => (event.type === 'proof' ? [event.proof.text] : []));
    expect(proofs.join()).toMatch(/backbone: \d+ tensors, \d+ values bit-equal, state VALIDATION, \d+ boundary values/);
  });
});

describe('a load in the wrong order', () => {
  it('of float weights after prepare is refused with the reason', async () => {
    const order = qat('head', 'segmentation', { ...inputs, head: await world.head('segmentation') });
    expect(await refusal(order)).toMatch(/^load-order: .*float weights are loaded before prepare/);
  });

  it('of a scope without ranges is refused: averaging_constant 0 would freeze its first batch', async () => {
    const head = await altered(inputs['head'] as string, ({ tensors, metadata }) => {
      for (const name of [...tensors.keys()]) if (!name.startsWith('parameter.')) tensors.delete(name);
      delete metadata['profile'];
    });
    const order = qat('head', 'segmentation', { ...inputs, head }, { averagingConstant: 0 });
    expect(await refusal(order)).toMatch(/^load-order: .*holds no observed ranges: calibrate it first/);
  });

  it('of a quantised scope as the teacher is refused', async () => {
    const taught = { ...inputs, teacher: inputs['head'] as string };
    const order = qat('head', 'segmentation', taught, { objective: { distill: 1 } });
    expect(await refusal(order)).toMatch(/^load-order: input "teacher" is in state calibrated, needed is float/);
  });
});

describe('a loss that leaves out another value than the data set marks', () => {
  it('is refused before the first step, with both values', async () => {
    const task = { ...taskSettings.segmentation, loss: { kind: 'cross-entropy', ignore: 0 } };
    const { head: _, ...others } = inputs;
    const order = train(['head'], 'segmentation', { ...others, backbone: await world.backbone() }, { task });
    expect(await refusal(order)).toMatch(
      /^data: the loss of task "segmentation" leaves out pixels of value 0, target "mask" .* marks 255 as not to count/,
    );
  });
});

describe('the report’s split', () => {
  it('may not be one that decisions or trainings have seen', async () => {
    const text = await readFile('test/fixtures/workflows/split-shared-with-report.txt', 'utf8');
    expect(text).toContain('HG1221 task "segmentation" reports on its gate data');
  });
});
