// Wrong loads that look right: the right files under each other's ports, a later state where an earlier one belongs, folded
// weights for an unfolded graph, scales without a value. Each is refused with its reason before any work is done.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCheckpointFile } from '../../src/backends/embedded/inputs.ts';
import { checkFits } from '../../src/backends/embedded/load-order.ts';
import { networkOf } from '../../src/qat/network/network.ts';
import { foldLayer } from '../../src/qat/network/fold.ts';
import { decodeModel, encodeModel } from '../../src/qat/onnx/codec.ts';
import type { GraphIr, IrNode, IrTensor } from '../../src/qat/onnx/ir.ts';
import { encodeCheckpoint, initialCheckpoint } from '../../src/qat/quantize/checkpoint.ts';
import { encodeSafetensors } from '../../src/support/safetensors.ts';
import { floatTensor } from '../../src/support/tensor.ts';
import { withTensor, withValue } from './altered.ts';
import { calibrate, finetune, merge, qat, train, validate } from './orders.ts';
import type { Inputs } from './orders.ts';
import type { JobOrder } from './worker-rig.ts';
import { World } from './world.ts';

let world: World;
let base: Inputs;
let files: { readonly [name in 'backbone' | 'detection' | 'segmentation' | 'floatBackbone' | 'floatHead']: string };
beforeAll(async () => {
  world = await World.start();
  base = { ...(await world.base()), ...(await world.calibrationBase()) };
  files = {
    backbone: await world.calibratedBackbone(),
    detection: await world.calibratedHead('detection'),
    segmentation: await world.calibratedHead('segmentation'),
    floatBackbone: await world.backbone(),
    floatHead: await world.head('segmentation'),
  };
});
afterAll(() => world.remove());

async function expectRefusal(order: JobOrder, message: RegExp, reason = 'load-order'): Promise<void> {
  const { result, events } = await world.rig.run(order);
  expect(result).toMatchObject({
    status: 'failed',
    failure: { reason, message: expect.stringMatching(message) as string },
  });
  expect(events).toEqual([]);
}

describe('the right files under each other’s ports', () => {
  it('are refused by QAT, finetuning and validation: the backbone as head, the head as backbone', async () => {
    const swapped = { ...base, backbone: files.segmentation, head: files.backbone };
    const message = /input "(head|backbone)" holds scope "\w+", but "\w+" is loaded here/;
    await expectRefusal(qat('head', 'segmentation', swapped), message);
    await expectRefusal(finetune('segmentation', { ...swapped, head: files.floatBackbone }), message);
    await expectRefusal(validate('segmentation', ['backbone', 'head'], swapped), message);
    const float = { ...base, backbone: files.floatHead, head: files.floatBackbone };
    await expectRefusal(train(['head'], 'segmentation', float), message);
  });

  it('are refused by a merge whose heads are swapped', async () => {
    const inputs = {
      ...(await world.mergeInputs()),
      'heads[detection]': files.segmentation,
      'heads[segmentation]': files.detection,
    };
    await expectRefusal(merge(inputs), /"heads\[detection\]" holds scope "segmentation", but "detection" is loaded/);
  });
});

describe('a scope after QAT', () => {
  it('is refused wherever float weights belong (QAT before prepare)', async () => {
    const { head } = await world.rig.outputs(
      qat('head', 'segmentation', { ...base, backbone: files.backbone, head: files.segmentation }),
    );
    const inputs = { ...base, backbone: files.backbone, head: head as string };
    const message = /"head" is in state qat, needed is float: quantised weights cannot be loaded where float weights/;
    await expectRefusal(calibrate('head', 'segmentation', inputs), message);
    await expectRefusal(finetune('segmentation', inputs), message);
    await expectRefusal(validate('segmentation', ['backbone'], inputs), message);
  });
});

describe('folded and unfolded weights', () => {
  it('are refused in each other’s graph, and the reason names the batch norm', async () => {
    const unfolded = decodeModel(await readFile(base['model'] as string));
    const folded = fold(unfolded);
    const model = join(world.rig.root, 'folded.onnx');
    const weights = join(world.rig.root, 'folded.safetensors');
    await writeFile(model, encodeModel(folded));
    await writeFile(weights, encodeSafetensors(encodeCheckpoint(initialCheckpoint(networkOf(folded), 'backbone'))));
    await expectRefusal(
      calibrate('backbone', 'detection', { ...base, model, backbone: files.floatBackbone }),
      /another model graph .*: it holds batch norm \("backbone\.[\w.]+"\), which this model has folded into its layers/,
    );
    await expectRefusal(
      calibrate('backbone', 'detection', { ...base, backbone: weights }),
      /another model graph .*: it holds folded weights \(no "backbone\.[\w.]+"\), this model's batch norm is not folded/,
    );
    const { result } = await world.rig.run(calibrate('backbone', 'detection', { ...base, model, backbone: weights }));
    expect(result.status).toBe('succeeded');
  });
});

describe('a quantised scope whose numbers cannot be', () => {
  const value = 'backbone.block3.depthwise.relu';
  const weight = 'backbone.block3.depthwise.weight';
  /** As every job does it, without a job. */
  const load = async (path: string): Promise<void> => {
    const network = networkOf(decodeModel(await readFile(base['model'] as string)));
    checkFits(await readCheckpointFile(path), network, 'backbone', 'backbone', ['calibrated', 'qat']);
  };

  it.each([
    [
      'NaN',
      `activation.${value}.scale`,
      NaN,
      /activation "backbone.block3.depthwise.relu" of input "backbone" is not finite/,
    ],
    ['zero', `activation.${value}.scale`, 0, /has the smallest scale there is/],
    ['an empty range', `activation.${value}.max`, -1, /is empty \(min 0, max -1/],
    ['a negative weight scale', `weight.${weight}.scale`, -1, /has scale -1 for channel 0 of weight "backbone.block3/],
  ])('is refused with the tensor’s name: %s', async (_, tensor, number, message) => {
    await expect(load(await withValue(files.backbone, tensor, 0, number))).rejects.toThrow(message);
  });

  it('is refused with one extra key: a range of an activation that has no quantiser', async () => {
    let backbone = files.backbone;
    for (const end of ['min', 'max', 'scale'])
      backbone = await withTensor(backbone, `activation.stray.${end}`, floatTensor([1], Float32Array.of(1)));
    await expect(load(backbone)).rejects.toThrow(
      'holds a range of activation "stray", where scope "backbone" has no quantiser',
    );
  });
});

/** Batch norm folded into the layers before it, as other exporters do. */
function fold(graph: GraphIr): GraphIr {
  const network = networkOf(graph);
  const parameters = new Map(
    network.parameters.map(({ name, shape }) => [
      name,
      floatTensor(shape, graph.initializers.get(name)?.data as Float32Array),
    ]),
  );
  const initializers = new Map<string, IrTensor>(graph.initializers);
  const renamed = new Map<string, IrNode>();
  const dropped = new Set<IrNode>();
  for (const unit of network.units) {
    if (unit.kind !== 'layer' || unit.norm === undefined) continue;
    const { weight, bias } = foldLayer(unit, parameters);
    const biasName = unit.bias ?? unit.weight.replace(/weight$/, 'bias');
    initializers.set(unit.weight, weight).set(biasName, bias);
    for (const name of unit.norm.inputs.slice(1)) initializers.delete(name);
    const inputs = [...unit.node.inputs.slice(0, 2), biasName];
    renamed.set(unit.node.name, { ...unit.node, inputs, outputs: unit.norm.outputs });
    dropped.add(unit.norm);
  }
  const nodes = graph.nodes.filter((node) => !dropped.has(node)).map((node) => renamed.get(node.name) ?? node);
  return { ...graph, nodes, initializers };
}
