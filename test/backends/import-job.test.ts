import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GraphIr } from '../../src/qat/onnx/ir.ts';
import type { JsonObject } from '../../src/support/json.ts';
import { encodeSafetensors } from '../../src/support/safetensors.ts';
import { floatTensor } from '../../src/support/tensor.ts';
import type { Tensor } from '../../src/support/tensor.ts';
import { checkpointAt, digestsOf, jsonAt } from './artifacts.ts';
import { BOUNDARY, constantsAsNodes, equalParametersShared, HEADS, writeForeignModel } from './foreign-models.ts';
import { calibrate, TASKS, validate } from './orders.ts';
import type { Inputs } from './orders.ts';
import { outputsOf } from './worker-rig.ts';
import type { JobOrder } from './worker-rig.ts';
import { World } from './world.ts';

let world: World;
let checkpoints: readonly string[];
beforeAll(async () => {
  world = await World.start();
  checkpoints = [await world.backbone(), await world.head('detection'), await world.head('segmentation')];
});
afterAll(() => world.remove());

function importOrder(inputs: Inputs, more: JsonObject = {}): JobOrder {
  const tasks = TASKS.map((name) => ({ name, head: name }));
  return {
    kind: 'import',
    settings: {
      boundary: [...BOUNDARY],
      heads: Object.fromEntries(Object.entries(HEADS).map(([name, { outputs }]) => [name, { outputs: [...outputs] }])),
      tasks,
      ...more,
    },
    inputs,
  };
}

async function foreign(name: string, change?: (graph: GraphIr) => GraphIr): Promise<string> {
  return writeForeignModel(join(world.rig.root, `${name}.onnx`), await world.model(), checkpoints, change);
}

async function metricsOf(inputs: Inputs, task: (typeof TASKS)[number]) {
  return digestsOf(await world.rig.outputs(validate(task, [], { ...inputs, 'data[gate]': world.gateData })));
}

const shuffled = (graph: GraphIr): GraphIr => ({ ...graph, nodes: [...graph.nodes].reverse() });

describe('a trained float ONNX file', () => {
  it.each([
    { how: 'as headgate writes it', change: undefined },
    { how: 'with weights as Constant nodes', change: constantsAsNodes },
    { how: 'with equal parameters shared through Identity', change: equalParametersShared },
    { how: 'with nodes in another order', change: shuffled },
  ])('$how comes in with all its weights and measures the same', async ({ how, change }) => {
    const onnx = await foreign(how, change);
    const outputs = await world.rig.outputs(importOrder({ onnx }));
    expect(Object.keys(outputs).sort()).toEqual([
      'backbone',
      'head[detection]',
      'head[segmentation]',
      'model',
      'report',
    ]);
    const [backbone] = checkpoints;
    const [imported, trained] = [
      await checkpointAt(outputs['backbone'] as string),
      await checkpointAt(backbone as string),
    ];
    expect([...imported.parameters].sort()).toEqual([...trained.parameters].sort());
    for (const task of TASKS) {
      const [own, theirs] = [
        { model: await world.model(), backbone: backbone as string, head: await world.head(task) },
        {
          model: outputs['model'] as string,
          backbone: outputs['backbone'] as string,
          head: outputs[`head[${task}]`] as string,
        },
      ];
      expect(await metricsOf(theirs, task)).toEqual(await metricsOf(own, task));
    }
  });

  it('is ready to be calibrated', async () => {
    const { model, backbone } = await world.rig.outputs(
      importOrder({ onnx: await foreign('ready', equalParametersShared) }),
    );
    const inputs = { model: model as string, backbone: backbone as string, 'data[calibration]': world.trainData };
    const calibrated = await world.rig.outputs(calibrate('backbone', 'detection', inputs));
    expect((await checkpointAt(calibrated['backbone'] as string)).state).toBe('calibrated');
  });

  it('is refused when it is cut off, empty, or no protocol buffer', async () => {
    for (const [name, content] of [
      ['cut', (await readFile(await foreign('whole'))).subarray(0, 2000)],
      ['empty', Buffer.alloc(0)],
      ['text', Buffer.from('<!doctype html><title>404</title>')],
    ] as const) {
      const onnx = join(world.rig.root, `${name}.onnx`);
      await writeFile(onnx, content);
      const { result } = await world.rig.run(importOrder({ onnx }));
      expect(result).toMatchObject({
        status: 'failed',
        failure: { reason: 'corrupt-onnx', remedy: expect.stringContaining('Export') as string },
      });
    }
  });

  it.each<readonly [string, JsonObject, RegExp]>([
    [
      'a boundary tensor that is not there',
      { boundary: ['backbone.relu7'] },
      /boundary tensor "backbone.relu7" is not a tensor of the model/,
    ],
    [
      'a head output that is not there',
      { heads: { segmentation: { outputs: ['segmentation.out'] }, detection: { outputs: ['boxes'] } } },
      /output of head "detection" "boxes" is not a tensor/,
    ],
    [
      'a boundary too early for one head',
      { boundary: [BOUNDARY[0]] },
      /is reached by heads "detection" and "segmentation"; move the boundary/,
    ],
    [
      'a boundary tensor left out',
      { boundary: [BOUNDARY[1]] },
      /head "segmentation" reads "backbone.block1.pointwise.relu" from inside the backbone; name it/,
    ],
  ])('is refused with %s', async (_what, more, message) => {
    const { result } = await world.rig.run(importOrder({ onnx: await foreign('plain') }, more));
    expect(result).toMatchObject({
      status: 'failed',
      failure: { reason: 'model', message: expect.stringMatching(message) as string },
    });
  });

  it('that is already quantised is refused by the name of the node', async () => {
    const { result } = await world.rig.run(importOrder({ onnx: await world.exported() }));
    expect(result).toMatchObject({
      failure: {
        reason: 'unsupported-model',
        message: expect.stringMatching(/QuantizeLinear\): the model is already quantised/) as string,
      },
    });
  });
});

describe('a separate weights file', () => {
  async function weights(
    name: string,
    change: (tensors: Map<string, Tensor>) => void = () => undefined,
  ): Promise<string> {
    const tensors = new Map<string, Tensor>();
    for (const path of checkpoints)
      for (const [parameter, tensor] of (await checkpointAt(path)).parameters) tensors.set(parameter, tensor);
    change(tensors);
    const path = join(world.rig.root, `${name}.safetensors`);
    await writeFile(path, encodeSafetensors({ tensors, metadata: {} }));
    return path;
  }
  const LAYER = 'backbone.stem.weight';

  it('fills an untrained graph strictly: every parameter has its tensor', async () => {
    const onnx = await writeForeignModel(join(world.rig.root, 'untrained.onnx'), await world.model(), []);
    const inputs = {
      onnx,
      weights: await weights('all', (tensors) =>
        tensors.set('bn.num_batches_tracked', floatTensor([1], new Float32Array(1))),
      ),
    };
    const outputs = await world.rig.outputs(importOrder(inputs, { strict: true }));
    const [imported, trained] = [
      await checkpointAt(outputs['backbone'] as string),
      await checkpointAt(checkpoints[0] as string),
    ];
    expect([...imported.parameters].sort()).toEqual([...trained.parameters].sort());
  });

  it('is refused strictly with the list of what does not match, and taken partially with that list as warnings', async () => {
    const onnx = await foreign('partial');
    const inputs = {
      onnx,
      weights: await weights('odd', (tensors) => {
        tensors.delete(LAYER);
        tensors.set('stray', floatTensor([1], new Float32Array(1)));
      }),
    };
    const { result } = await world.rig.run(importOrder(inputs, { strict: true }));
    const message =
      /1 unmatched tensors in the weights file \(stray\), 1 of the model without weights \(backbone.stem.weight\)/;
    expect(result).toMatchObject({
      failure: { reason: 'load-order', message: expect.stringMatching(message) as string },
    });
    const done = await world.rig.run(importOrder(inputs, { strict: false }));
    expect(await jsonAt(outputsOf(done)['report'] as string)).toMatchObject({
      unexpected: ['stray'],
      missing: [LAYER],
    });
    expect(done.events.flatMap((event) => (event.type === 'note' ? [event.text] : []))).toEqual([
      'unmatched tensor in the weights file: stray',
      `tensor of the model without weights (its own value is kept): ${LAYER}`,
    ]);
  });

  it('is matched through a map of names', async () => {
    const renamed = await weights('renamed', (tensors) => {
      tensors.set('module.conv1.weight', tensors.get(LAYER) as Tensor);
      tensors.delete(LAYER);
    });
    const inputs = { onnx: await foreign('renamed'), weights: renamed };
    const outputs = await world.rig.outputs(importOrder(inputs, { rename: { 'module.conv1.weight': LAYER } }));
    expect(await jsonAt(outputs['report'] as string)).toMatchObject({ unexpected: [], missing: [] });
  });

  it('is refused with a tensor of another shape, whether strict or not', async () => {
    const wrong = await weights('shape', (tensors) => tensors.set(LAYER, floatTensor([2], new Float32Array(2))));
    const { result } = await world.rig.run(
      importOrder({ onnx: await foreign('shape'), weights: wrong }, { strict: false }),
    );
    expect(result).toMatchObject({
      failure: {
        reason: 'load-order',
        message: `tensor "${LAYER}" is float32[2], the model's "${LAYER}" is float32[4, 1, 3, 3]`,
      },
    });
  });
});
