// A head added to a released model through the jobs: what was released is read only as it was written, comes out byte for
// byte, and a change of one unit in the last place is named.
import { cp, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestBytes } from '../../src/support/digest.ts';
import type { JsonObject } from '../../src/support/json.ts';
import { withValue } from './altered.ts';
import { checkpointAt, jsonAt } from './artifacts.ts';
import { BATCH, taskSettings, TASKS, training, w4a4, w8a8 } from './orders.ts';
import type { Inputs } from './orders.ts';
import { outputsOf } from './worker-rig.ts';
import type { DoneJob, JobOrder } from './worker-rig.ts';
import { World } from './world.ts';

const WEIGHT = 'parameter.detection.out.weight';
/** The third task learns what the second does, under another name: any task will do. */
const lanes: JsonObject = { ...taskSettings.segmentation, name: 'lanes', head: 'lanes' };
const allTasks = [...TASKS.map((task) => taskSettings[task]), lanes];
const released = TASKS.map((name) => ({ name, head: name }));

let world: World;
let merged: string;
beforeAll(async () => {
  world = await World.start();
  merged = await world.merged();
});
afterAll(() => world.remove());

const release = (folder: string, more: JsonObject = {}): JobOrder => ({
  kind: 'release',
  settings: { tasks: released, ...more },
  inputs: { folder },
});

const addHead = (model: string): JobOrder => ({
  kind: 'add-head',
  settings: {
    heads: { lanes: { kind: 'dense', classes: 4, stride: 2 } },
    tasks: [{ name: 'lanes', head: 'lanes' }],
  },
  inputs: { model },
  seed: 3,
});

/** Beside the others, so that a test may change it. */
async function copyOf(folder: string): Promise<string> {
  const copy = await mkdtemp(join(world.rig.root, 'release-'));
  await cp(folder, copy, { recursive: true });
  return copy;
}

async function replaced(path: string, by: Promise<string>): Promise<void> {
  await writeFile(path, await readFile(await by));
}

function failureOf({ result }: DoneJob): { readonly reason: string; readonly message: string } {
  if (result.status !== 'failed') throw new Error(`the job is ${result.status}`);
  return result.failure;
}

/** The new head, trained and calibrated on the released backbone, and what a merge takes. */
async function withNewHead(profile: JsonObject): Promise<Inputs & { readonly model: string }> {
  const from = await world.rig.outputs(release(merged));
  const wider = await world.rig.outputs(addHead(from['model'] as string));
  const model = wider['model'] as string;
  const { head } = await world.rig.outputs({
    kind: 'train',
    settings: { train: ['head'], task: lanes, training: training(4, 0.02) },
    inputs: {
      model,
      backbone: from['float'] as string,
      head: wider['head[lanes]'] as string,
      'data[train]': world.trainData,
    },
  });
  const backbone = from['backbone'] as string;
  const calibrated = await world.rig.outputs({
    kind: 'calibrate',
    settings: { scope: 'head', task: lanes, profile, observer: { kind: 'min-max' }, batches: 2, batch: BATCH },
    inputs: { model, backbone, head: head as string, 'data[calibration]': world.trainData },
  });
  return {
    model,
    ...world.taskData(),
    'data[lanes.gate]': world.gateData,
    backbone,
    release: from['merged'] as string,
    'heads[detection]': from['head[detection]'] as string,
    'heads[segmentation]': from['head[segmentation]'] as string,
    'heads[lanes]': calibrated['head'] as string,
  };
}

const merge = (inputs: Inputs): JobOrder => ({
  kind: 'merge',
  settings: { batch: BATCH, probe: 32, tasks: allTasks },
  inputs,
});

describe('the release job', () => {
  it('hands the files on byte for byte, and the backbone once more in float with the same weights', async () => {
    const out = await world.rig.outputs(release(merged));
    const pairs = { backbone: 'backbone', 'head[detection]': 'detection', 'head[segmentation]': 'segmentation' };
    for (const [port, scope] of Object.entries(pairs))
      expect(await readFile(out[port] as string)).toEqual(await readFile(join(merged, `${scope}.safetensors`)));
    expect(await readFile(out['model'] as string)).toEqual(await readFile(join(merged, 'graph.onnx')));
    const [float, quantised] = [
      await checkpointAt(out['float'] as string),
      await checkpointAt(out['backbone'] as string),
    ];
    expect(float).toEqual({
      scope: 'backbone',
      state: 'float',
      graph: quantised.graph,
      parameters: quantised.parameters,
    });
  });

  it('takes the release of one digest and no other', async () => {
    const digest = digestBytes(await readFile(join(merged, 'merged.json')));
    expect(outputsOf(await world.rig.run(release(merged, { digest })))).toHaveProperty('merged');
    const failure = failureOf(await world.rig.run(release(merged, { digest: '0'.repeat(64) })));
    expect(failure).toMatchObject({ reason: 'merged-model' });
    expect(failure.message).toContain(`merged.json has SHA-256 ${digest}`);
  });

  it('refuses a head that differs by one unit in the last place, and names the tensor', async () => {
    const folder = await copyOf(merged);
    const path = join(folder, 'detection.safetensors');
    const value = (await checkpointAt(path)).parameters.get('detection.out.weight')?.data[0] as number;
    const bits = new Uint32Array(Float32Array.of(value).buffer);
    bits[0] = (bits[0] as number) ^ 1;
    await replaced(path, withValue(path, WEIGHT, 0, new Float32Array(bits.buffer)[0] as number));
    const { reason, message } = failureOf(await world.rig.run(release(folder)));
    expect(reason).toBe('merged-model');
    expect(message).toBe(
      `the merged model is refused: detection.safetensors is not what was released: tensor "${WEIGHT}" has other values`,
    );
  });

  it.each<readonly [string, (folder: string) => Promise<void>, RegExp]>([
    [
      'without its list',
      async (folder) => writeFile(join(folder, 'merged.json'), '{}'),
      /merged\.json is not of format headgate-merged, version 1/,
    ],
    [
      'of another version',
      async (folder) => {
        const manifest = await jsonAt<JsonObject>(join(folder, 'merged.json'));
        await writeFile(join(folder, 'merged.json'), JSON.stringify({ ...manifest, version: 2 }));
      },
      /version 1 \(headgate-merged, 2\)/,
    ],
    [
      'whose list names a file elsewhere',
      async (folder) => {
        const manifest = await jsonAt<{ files: JsonObject }>(join(folder, 'merged.json'));
        const files = { ...manifest.files, '../backbone.safetensors': '0'.repeat(64) };
        await writeFile(join(folder, 'merged.json'), JSON.stringify({ ...manifest, files }));
      },
      /names the file "\.\.\/backbone\.safetensors"/,
    ],
    [
      'with a graph of other bytes',
      async (folder) => writeFile(join(folder, 'graph.onnx'), Buffer.alloc(10)),
      /graph\.onnx is not what was released$/,
    ],
    [
      'with a file that is cut off',
      async (folder) => {
        const path = join(folder, 'backbone.safetensors');
        await writeFile(path, (await readFile(path)).subarray(0, 2000));
      },
      /backbone\.safetensors is not what was released: it /,
    ],
    [
      'with a head of another metadata',
      async (folder) => {
        const path = join(folder, 'detection.safetensors');
        const text = (await readFile(path)).toString('latin1').replace('"state":"calibrated"', '"state":"qat"       ');
        await writeFile(path, Buffer.from(text, 'latin1'));
      },
      /its tensors are the released ones, its metadata or layout is not/,
    ],
  ])('refuses a model %s', async (_, change, message) => {
    const folder = await copyOf(merged);
    await change(folder);
    expect(failureOf(await world.rig.run(release(folder))).message).toMatch(message);
  });

  it('refuses a release of which not all heads are named, and a task that it has no head for', async () => {
    const tasks = [{ name: 'detection', head: 'detection' }];
    expect(failureOf(await world.rig.run(release(merged, { tasks }))).message).toContain(
      'no task is named for head "segmentation"',
    );
    const more = [...released, { name: 'lanes', head: 'lanes' }];
    expect(failureOf(await world.rig.run(release(merged, { tasks: more }))).message).toContain(
      'there is no head "lanes" for task "lanes"; the released model has "detection", "segmentation"',
    );
  });
});

describe('a merge with a release', () => {
  let inputs: Inputs;
  beforeAll(async () => {
    inputs = await withNewHead(w8a8);
  });

  it('holds the released files byte for byte beside the new head, and says so', async () => {
    const done = await world.rig.run(merge(inputs));
    const out = outputsOf(done);
    for (const file of ['backbone', 'detection', 'segmentation'])
      expect(await readFile(join(out['merged'] as string, `${file}.safetensors`))).toEqual(
        await readFile(join(merged, `${file}.safetensors`)),
      );
    const proofs = done.events.flatMap((event) =>
      event.type === 'proof' && event.proof.name === 'release' ? [event.proof.text] : [],
    );
    expect(proofs).toEqual([
      expect.stringMatching(/^backbone: \d+ tensors, \d+ values bit-equal, its file byte for byte the released one/),
      expect.stringMatching(/^detection: /),
      expect.stringMatching(/^segmentation: /),
      expect.stringMatching(/^backbone boundary and detection, segmentation: \d+ values of 32 gate images bit-equal/),
    ]);
    const report = await jsonAt<{ release: { scopes: JsonObject } }>(out['report'] as string);
    expect(Object.keys(report.release.scopes).sort()).toEqual(['backbone', 'detection', 'segmentation']);
    // A release of its own: a fourth head could be added to it.
    const again = await world.rig.run(
      release(out['merged'] as string, { tasks: [...released, { name: 'lanes', head: 'lanes' }] }),
    );
    expect(again.result.status).toBe('succeeded');
  });

  it.each([
    ['head "detection"', 'heads[detection]', WEIGHT],
    ['head "detection"', 'heads[detection]', 'weight.detection.out.weight.scale'],
    ['head "segmentation"', 'heads[segmentation]', 'parameter.segmentation.context.bn.mean'],
  ])('refuses another %s, and names the number that changed (%s, %s)', async (what, port, tensor) => {
    const decoded = new Float32Array(1);
    const path = inputs[port] as string;
    const { parameters, quant } = await checkpointAt(path);
    const name = tensor.replace(/^(parameter|weight)\./, '').replace(/\.scale$/, '');
    const values = tensor.startsWith('weight.') ? quant?.weights.get(name) : parameters.get(name)?.data;
    decoded[0] = values?.[2] as number;
    const bits = new Uint32Array(decoded.buffer);
    bits[0] = (bits[0] as number) ^ 1;
    const changed = await withValue(path, tensor, 2, decoded[0]);
    const { reason, message } = failureOf(await world.rig.run(merge({ ...inputs, [port]: changed })));
    expect(reason).toBe('release-changed');
    expect(message).toMatch(new RegExp(`^released ${what} changed: ${tensor} at index 2: \\S+ → \\S+$`));
  });

  it('refuses a backbone that was made anew, although the heads were made on it', async () => {
    const backbone = await world.calibratedBackbone(w4a4);
    const mixed = {
      ...inputs,
      backbone,
      'heads[detection]': await world.calibratedHead('detection', w4a4),
      'heads[segmentation]': await world.calibratedHead('segmentation', w4a4),
    };
    expect(failureOf(await world.rig.run(merge(mixed))).reason).toBe('backbone-mismatch');
  });

  it('finds a bit that flips in memory while it merges', async () => {
    const fault = { scope: 'segmentation', tensor: 'parameter.segmentation.out.bias', index: 1, bit: 0 };
    const { message } = failureOf(await world.rig.run({ ...merge(inputs), fault }));
    expect(message).toContain('frozen scope "segmentation" changed: parameter.segmentation.out.bias at index 1');
  });
});
