// M-LSD, a published line-segment detector (npm: jp.keijiro.mlsd 1.0.0, mlsd_320x320_tiny.onnx), as a model that nobody here
// wrote. HEADGATE_MLSD names the file; it is never part of this project.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { recogniseNetwork, scopeOrder } from '../../../src/qat/network/network.ts';
import { decodeModel } from '../../../src/qat/onnx/codec.ts';
import { normaliseImported } from '../../../src/qat/onnx/normalise.ts';
import { placeQuantizers } from '../../../src/qat/quantize/placement.ts';
import { Random } from '../../../src/support/random.ts';
import { randomTensor, runGraph } from '../graphs.ts';

const path = process.env['HEADGATE_MLSD'] ?? '';
const side = 320;

describe.skipIf(path === '')('M-LSD (needs HEADGATE_MLSD)', () => {
  const file = path === '' ? new Uint8Array(0) : readFileSync(path);
  const scopes = {
    backbone: { boundary: ['Resize__203:0'] },
    heads: {
      offsets: { outputs: ['Identity_2_raw_output___8:0'] },
      scores: { outputs: ['WireFrameModel_with_alpha/Decoder/Sigmoid_4:0'] },
    },
  };

  it('computes what its file computes, to the bit, with images as planes', async () => {
    const original = decodeModel(file);
    const normalised = await normaliseImported(original);
    const input = original.inputs[0]?.name ?? '';
    const planes = randomTensor(new Random(2), [1, 4, side, side], 60);
    const pixels = planes.data.map(
      (_, index) => planes.data[(index % 4) * side * side + Math.floor(index / 4)] as number,
    );
    const before = await runGraph(
      original,
      new Map([[input, { dtype: 'float32', shape: [1, side, side, 4], data: pixels }]]),
    );
    const after = await runGraph(normalised, new Map([[input, planes]]));
    for (const name of ['offsets', 'scores']) expect(after.get(name)?.data, name).toEqual(before.get(name)?.data);
  }, 120_000);

  it('divides into trunk and two heads, its suppression left over as float nodes, a quantiser after its scaling', async () => {
    const network = recogniseNetwork(await normaliseImported(decodeModel(file)), scopes);
    expect(network.units.filter((unit) => unit.kind === 'layer')).toHaveLength(41);
    expect(network.tail.map(({ op }) => op)).toEqual([
      'MaxPool',
      'Reshape',
      'Reshape',
      'Equal',
      'Cast',
      'Mul',
      'Transpose',
    ]);
    const profile = { weights: { bits: 8 }, activations: { bits: 8, unsignedAfterRelu: false } };
    const placement = placeQuantizers(network, new Map(scopeOrder(network.scopes).map((scope) => [scope, profile])));
    expect(placement.activations.has(network.input.name)).toBe(false);
    expect(placement.activations.has(network.normalised)).toBe(true);
    for (const unit of network.units)
      if (unit.kind === 'layer') expect(placement.sourceOf(unit.input), unit.weight).toBeDefined();
  }, 120_000);
});
