// Heads that come as ONNX files, added to a model: written here, and exported by PyTorch, whose outputs they then give.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { networkOf } from '../../src/qat/network/network.ts';
import { buildReference } from '../../src/qat/network/reference.ts';
import { GraphBuilder } from '../../src/qat/onnx/builder.ts';
import { decodeModel, encodeModel } from '../../src/qat/onnx/codec.ts';
import { ints } from '../../src/qat/onnx/ir.ts';
import { initialCheckpoint } from '../../src/qat/quantize/checkpoint.ts';
import type { JsonObject } from '../../src/support/json.ts';
import { decodeNpy } from '../../src/support/npy.ts';
import { Random } from '../../src/support/random.ts';
import type { Tensor } from '../../src/support/tensor.ts';
import { relativeDifference } from '../qat/differences.ts';
import { runGraph } from '../qat/graphs.ts';
import { checkpointAt } from './artifacts.ts';
import { BOUNDARY } from './foreign-models.ts';
import { BATCH, taskSettings } from './orders.ts';
import { outputsOf } from './worker-rig.ts';
import type { JobOrder } from './worker-rig.ts';
import { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.remove());

/** @param inputs of the file → boundary tensors. */
const addHead = (model: string, file: string, inputs: JsonObject): JobOrder => ({
  kind: 'add-head',
  settings: { heads: { lanes: { kind: 'onnx', inputs } }, tasks: [{ name: 'lanes', head: 'lanes' }] },
  inputs: { model, 'onnx[lanes]': file },
});

describe('a head from an ONNX file', () => {
  /** Random, but fixed: 1×1 from the coarse level, enlarged, added to 1×1 from the fine one. */
  async function headFile(inputs: readonly [string, string], batch: number | string): Promise<string> {
    const random = new Random(8);
    const b = new GraphBuilder('h');
    const weight = (name: string, to: number, from: number): string => {
      const data = Float32Array.from({ length: to * from }, () => random.normal());
      b.initializers.set(name, { dtype: 'float32', shape: [to, from, 1, 1], data });
      return name;
    };
    const conv = (input: string, name: string, from: number): string =>
      b.emit('Conv', [input, weight(name, 4, from)], { kernel_shape: ints([1, 1]) });
    const large = b.emit('Resize', [conv(inputs[1], 'w1', 16), '', b.floats([1, 1, 2, 2])]);
    const output = b.emit('Add', [conv(inputs[0], 'w0', 8), large], {}, { outputs: ['logits'] });
    const declared = [
      [batch, 8, 16, 16],
      [batch, 16, 8, 8],
    ];
    const graph = b.finish({
      name: 'lanes',
      opset: 18,
      inputs: inputs.map((name, index) => ({ name, dtype: 'float32' as const, shape: declared[index] ?? [] })),
      outputs: [{ name: output, dtype: 'float32', shape: [batch, 4, 16, 16] }],
    });
    const path = join(await mkdtemp(join(world.rig.root, 'head-')), 'lanes.onnx');
    await writeFile(path, encodeModel(graph));
    return path;
  }

  it.each([
    ['under the boundary tensors’ own names, batch free', BOUNDARY, 'N', {}],
    ['under other names, batch fixed', ['fine', 'coarse'], 1, { fine: BOUNDARY[0], coarse: BOUNDARY[1] }],
  ] as const)('is added %s, and gives what the file gives', async (_, names, batch, inputs) => {
    const file = await headFile(names, batch);
    const done = await world.rig.run(addHead(await world.model(), file, inputs));
    const out = outputsOf(done);
    const [proof] = done.events.flatMap((event) => (event.type === 'proof' ? [event.proof] : []));
    expect(proof).toMatchObject({ name: 'import', held: true });
    expect(proof?.text).toMatch(/^lanes: 1024 output values on boundary tensors of noise as the file gives them/);
    const head = await checkpointAt(out['head[lanes]'] as string);
    const own = decodeModel(await readFile(file));
    expect(head.parameters.get('lanes/w1')?.data).toEqual(own.initializers.get('w1')?.data);
    const metrics = await world.rig.outputs({
      kind: 'validate',
      settings: {
        task: { ...taskSettings.segmentation, name: 'lanes', head: 'lanes' },
        quantized: ['backbone'],
        runtime: 'reference',
        batch: BATCH,
      },
      inputs: {
        model: out['model'] as string,
        backbone: await world.calibratedBackbone(),
        head: out['head[lanes]'] as string,
        'data[gate]': world.gateData,
      },
    });
    expect(metrics).toHaveProperty('metrics');
  });

  it('is refused when its inputs are no boundary tensors', async () => {
    const order = addHead(await world.model(), await headFile(['a', 'b'], 'N'), {});
    const { result } = await world.rig.run(order);
    expect(result).toMatchObject({ status: 'failed', failure: { reason: 'model' } });
    expect(JSON.stringify(result)).toContain(
      'input \\"a\\" of head \\"lanes\\" is no boundary tensor; the backbone has',
    );
  });
});

/** The interpreter for this test; HEADGATE_PYTHON names one that has torch and onnx. */
const python = process.env['HEADGATE_PYTHON'] ?? 'python3';
const hasTorch = spawnSync(python, ['-c', 'import torch, onnx'], { stdio: 'ignore' }).status === 0;
/** Largest difference over largest reference: two float32 implementations of the same convolutions. */
const TOLERANCE = 1e-5;

describe.skipIf(!hasTorch)(`a head from PyTorch (skipped where ${python} has no torch and onnx)`, () => {
  it('is added by its boundary tensors, batch free, and gives what PyTorch gives for three images', async () => {
    const file = join(world.rig.root, 'lanes.onnx');
    execFileSync(python, [join(import.meta.dirname, 'export_small_head.py'), file], { stdio: 'pipe' });
    const tensorAt = async (name: string): Promise<Tensor> => {
      const read = decodeNpy(await readFile(`${file}.${name}.npy`));
      if (!read.ok) throw new Error(read.error);
      return read.value;
    };
    const inputs = { fine: BOUNDARY[0], coarse: BOUNDARY[1] };
    const { model } = await world.rig.outputs(addHead(await world.model(), file, inputs));
    const network = networkOf(decodeModel(await readFile(model as string)));
    expect(network.graph.nodes.some(({ op }) => op === 'Shape')).toBe(false);
    const [fine, coarse] = [await tensorAt('fine'), await tensorAt('coarse')];
    const reference = buildReference(network, {
      scopes: new Map([['lanes', { state: 'FLOAT', checkpoint: initialCheckpoint(network, 'lanes') }]]),
      outputs: ['lanes/lanes'],
      batch: 3,
      boundaryShapes: new Map([
        [BOUNDARY[0], fine.shape.slice(1)],
        [BOUNDARY[1], coarse.shape.slice(1)],
      ]),
    });
    const feeds = new Map([
      [BOUNDARY[0], fine],
      [BOUNDARY[1], coarse],
    ]);
    const found = (await runGraph(reference, feeds)).get('out.lanes/lanes') as Tensor;
    const theirs = await tensorAt('lanes');
    expect(found.shape).toEqual(theirs.shape);
    expect(relativeDifference(found.data as Float32Array, theirs.data as Float32Array)).toBeLessThanOrEqual(TOLERANCE);
  });
});
