// A loss that the user wrote as an ONNX graph, through the jobs: with whole numbers inside, beside built-in losses.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/qat/onnx/builder.ts';
import { encodeModel } from '../../src/qat/onnx/codec.ts';
import { int } from '../../src/qat/onnx/ir.ts';
import type { ValueInfo } from '../../src/qat/onnx/ir.ts';
import type { JsonObject } from '../../src/support/json.ts';
import { checkpointAt, jsonAt } from './artifacts.ts';
import { training } from './orders.ts';
import { importTwoKinds, twoKinds, writeTwoKindsData } from './two-kinds.ts';
import { WorkerRig } from './worker-rig.ts';

let rig: WorkerRig;
let model: string;
let data: string;
beforeAll(async () => {
  rig = await WorkerRig.start();
  model = (await importTwoKinds(rig))['model'] as string;
  data = await writeTwoKindsData(rig, 'train', 48, 5);
});
afterAll(() => rig.remove());

/** Losses and weights of two graphs that sum in another order, over a few steps. */
const TOLERANCE = 5;

/** Σ|output − target| over how many values there are, which the graph counts in int64. */
async function writeMeanAbsolute(name: string, more: readonly ValueInfo[] = [], opset = 18): Promise<string> {
  const b = new GraphBuilder('loss');
  const error = b.emit('Abs', [b.emit('Sub', ['output', 'target'])]);
  const sizes = b.emit('Shape', ['output']);
  const count = b.emit('Cast', [b.emit('ReduceProd', [sizes], { keepdims: int(0) })], { to: int(1) });
  b.emit('Div', [b.emit('ReduceSum', [error], { keepdims: int(0) }), count], {}, { outputs: ['loss'] });
  const map = ['N', 1, 16, 16] as const;
  const graph = b.finish({
    name,
    opset,
    inputs: [
      { name: 'output', dtype: 'float32', shape: map },
      { name: 'target', dtype: 'float32', shape: map },
      ...more,
    ],
    outputs: [{ name: 'loss', dtype: 'float32', shape: [] }],
  });
  const path = join(rig.root, `${name}.onnx`);
  await writeFile(path, encodeModel(graph));
  return path;
}

interface Epochs {
  readonly epochs: readonly { readonly [loss: string]: number }[];
}

const order = (loss: JsonObject, files: { readonly [port: string]: string } = {}) => ({
  kind: 'train',
  settings: {
    train: ['backbone', 'heads'],
    tasks: [twoKinds.kind, { ...twoKinds.brightness, loss }],
    weights: { kind: 1, brightness: 2 },
    training: training(3, 0.01),
  },
  inputs: { model, 'data[kind.train]': data, 'data[brightness.train]': data, ...files },
});

describe('a loss graph', () => {
  it('trains as the built-in loss of the same formula, beside a loss of another kind', async () => {
    const file = await writeMeanAbsolute('mean-absolute');
    const [own, builtIn] = [
      await rig.outputs(order({ kind: 'onnx' }, { 'loss[brightness]': file })),
      await rig.outputs(order({ kind: 'l1' })),
    ];
    const [found, expected] = [
      await jsonAt<Epochs>(own['report'] as string),
      await jsonAt<Epochs>(builtIn['report'] as string),
    ];
    expect(found.epochs).toHaveLength(3);
    for (const [epoch, losses] of expected.epochs.entries()) {
      expect(Object.keys(found.epochs[epoch] ?? {}).sort()).toEqual(Object.keys(losses).sort());
      for (const [name, value] of Object.entries(losses))
        expect(found.epochs[epoch]?.[name], name).toBeCloseTo(value, TOLERANCE);
    }
    const trained = await checkpointAt(own['backbone'] as string);
    const [weight, other] = [trained, await checkpointAt(builtIn['backbone'] as string)].map(
      ({ parameters }) => parameters.get('stem.weight')?.data ?? [],
    );
    for (const [at, value] of (weight ?? []).entries()) expect(value).toBeCloseTo(other?.[at] as number, 3);
  });

  it('is upgraded as models are', async () => {
    const file = await writeMeanAbsolute('older', [], 13);
    expect((await rig.run(order({ kind: 'onnx' }, { 'loss[brightness]': file }))).result.status).toBe('succeeded');
  });

  it('is refused, saying why, where it reads what it cannot be given', async () => {
    const file = await writeMeanAbsolute('strange', [{ name: 'mask', dtype: 'float32', shape: ['N'] }]);
    const { result } = await rig.run(order({ kind: 'onnx' }, { 'loss[brightness]': file }));
    expect(result).toMatchObject({
      status: 'failed',
      failure: {
        message: expect.stringContaining(
          'the loss of task "brightness": the loss has an input "mask"; it can be given "output", "target"',
        ) as string,
      },
    });
  });

  it('is refused where it is no ONNX file', async () => {
    const path = join(rig.root, 'cut.onnx');
    const whole = await readFile(await writeMeanAbsolute('whole'));
    await writeFile(path, whole.subarray(0, whole.length - 7));
    const { result } = await rig.run(order({ kind: 'onnx' }, { 'loss[brightness]': path }));
    expect(result).toMatchObject({
      status: 'failed',
      failure: {
        reason: 'corrupt-onnx',
        message: expect.stringContaining(
          'the loss of task "brightness": the file is not a readable ONNX model',
        ) as string,
      },
    });
  });
});
