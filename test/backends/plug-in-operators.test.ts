// A model that ends in an operator of a device's own runtime, through the jobs: everything up to it is imported, calibrated,
// merged, exported and proven, and the exported file ends in it as the model did.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeModel } from '../../src/qat/onnx/codec.ts';
import type { GraphIr, IrNode } from '../../src/qat/onnx/ir.ts';
import { jsonAt } from './artifacts.ts';
import type { MetricsDocument } from './artifacts.ts';
import { BOUNDARY, HEADS, writeForeignModel } from './foreign-models.ts';
import { calibrate, exportOrder, merge, TASKS, validate } from './orders.ts';
import type { Inputs } from './orders.ts';
import { outputsOf } from './worker-rig.ts';
import type { DoneJob } from './worker-rig.ts';
import { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.remove());

const plugIn: IrNode = {
  op: 'EfficientNMS_TRT',
  domain: 'TRT',
  name: 'suppression',
  inputs: ['detection.out'],
  outputs: ['boxes'],
  attributes: {},
};

async function imported(name: string, change: (graph: GraphIr) => GraphIr): Promise<DoneJob> {
  const scopes = [await world.backbone(), await world.head('detection'), await world.head('segmentation')];
  const onnx = await writeForeignModel(join(world.rig.root, `${name}.onnx`), await world.model(), scopes, change);
  const heads = Object.fromEntries(
    Object.entries(HEADS).map(([head, { outputs }]) => [head, { outputs: [...outputs] }]),
  );
  const tasks = TASKS.map((task) => ({ name: task, head: task }));
  return world.rig.run({ kind: 'import', settings: { boundary: [...BOUNDARY], heads, tasks }, inputs: { onnx } });
}

describe('an operator that onnxruntime does not have', () => {
  // A whole life of a model, ten jobs one after the other.
  it(
    'behind the heads is carried from import to export, with a warning, and every number is as without it',
    { timeout: 240_000 },
    async () => {
      const done = await imported('behind', (graph) => ({
        ...graph,
        domainVersions: new Map([['TRT', 2]]),
        nodes: [...graph.nodes, plugIn],
        outputs: [{ name: 'boxes', dtype: 'float32' }, ...graph.outputs.filter(({ name }) => name !== 'detection.out')],
      }));
      const warning = {
        type: 'note',
        level: 'warning',
        text: expect.stringMatching(/^node "suppression" \(TRT\.EfficientNMS_TRT\) is carried along/) as string,
      };
      expect(done.events).toContainEqual(warning);
      expect(done.events).toContainEqual({
        type: 'proof',
        proof: { name: 'import', held: true, text: expect.stringMatching(/^[1-9]\d* output values/) as string },
      });
      const own = outputsOf(done);
      const base = { model: own['model'] as string, 'data[calibration]': world.trainData };
      const { backbone } = await world.rig.outputs(
        calibrate('backbone', 'detection', { ...base, backbone: own['backbone'] as string }),
      );
      const heads: { [port: string]: string } = {};
      for (const task of TASKS) {
        const inputs = { ...base, backbone: backbone as string, head: own[`head[${task}]`] as string };
        const { head } = await world.rig.outputs(calibrate('head', task, inputs));
        heads[`heads[${task}]`] = head as string;
      }
      const merging = { model: base.model, ...world.taskData(), backbone: backbone as string, ...heads };
      const { merged } = await world.rig.outputs(merge(merging));
      const exported = await world.rig.run(exportOrder({ ...world.taskData(), merged: merged as string }));
      expect(exported.events).toContainEqual(warning);
      const onnx = outputsOf(exported)['onnx'] as string;
      const graph = decodeModel(await readFile(onnx));
      expect(graph.nodes.filter(({ op }) => op === plugIn.op)).toHaveLength(1);
      expect(graph.domainVersions).toEqual(new Map([['TRT', 2]]));
      expect(graph.outputs.map(({ name }) => name)).toContain('boxes');
      const measured = async (file: string, runtime: string): Promise<MetricsDocument> => {
        const inputs: Inputs = { 'data[gate]': world.gateData, exported: file };
        const { metrics } = await world.rig.outputs(validate('detection', [], inputs, { runtime }));
        return jsonAt<MetricsDocument>(metrics as string);
      };
      for (const runtime of ['reference', 'integer'])
        expect(await measured(onnx, runtime)).toEqual(await measured(await world.exported(), runtime));
    },
  );

  it('inside a head is refused by the node’s name, with the way out', async () => {
    const { result } = await imported('inside', (graph) => ({
      ...graph,
      nodes: graph.nodes.flatMap((node) =>
        node.outputs.includes('detection.out')
          ? [
              { ...plugIn, inputs: [node.inputs[0] as string], outputs: ['plugged'] },
              { ...node, inputs: ['plugged', ...node.inputs.slice(1)] },
            ]
          : [node],
      ),
    }));
    expect(result).toMatchObject({
      status: 'failed',
      failure: {
        reason: 'unsupported-model',
        message: expect.stringMatching(
          /^node "suppression" \(TRT\.EfficientNMS_TRT\): onnxruntime, .*: end the head before it/,
        ) as string,
      },
    });
  });
});
