// A head added to a network that is there: nothing of it moves, and a head that would not stand on its boundary is refused.
import { describe, expect, it } from 'vitest';
import { foreignHead, tieInputs } from '../../../src/qat/models/foreign-head.ts';
import { freshHead } from '../../../src/qat/models/fresh-head.ts';
import { writeHead } from '../../../src/qat/models/heads.ts';
import { ModelWriter } from '../../../src/qat/models/model-writer.ts';
import { addHead } from '../../../src/qat/network/add-head.ts';
import type { HeadGraph } from '../../../src/qat/network/add-head.ts';
import { NetworkError, networkOf } from '../../../src/qat/network/network.ts';
import { buildReference } from '../../../src/qat/network/reference.ts';
import { decodeModel, encodeModel } from '../../../src/qat/onnx/codec.ts';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import type { GraphIr } from '../../../src/qat/onnx/ir.ts';
import { encodeCheckpoint, graphDigest, initialCheckpoint } from '../../../src/qat/quantize/checkpoint.ts';
import { placeQuantizers } from '../../../src/qat/quantize/placement.ts';
import { Random } from '../../../src/support/random.ts';
import { floatScopes } from '../checkpoints.ts';
import { randomTensor, runGraph } from '../graphs.ts';
import { BOUNDARY, smallNetwork, SIZE, w4a4 } from '../networks.ts';

const network = smallNetwork();
const [FINE, COARSE] = BOUNDARY;
const boundary = new Map([
  [FINE, [8, SIZE / 2, SIZE / 2]],
  [COARSE, [16, SIZE / 4, SIZE / 4]],
]);
const occupancy = freshHead(network, 'occupancy', { kind: 'dense', classes: 2, stride: 2 }, boundary, 5);
const refusalOf =
  (head: HeadGraph, name = 'occupancy') =>
  () =>
    addHead(network, name, head);

describe('a head that is added', () => {
  const wider = addHead(network, 'occupancy', occupancy);

  it('leaves every scope its checkpoint: same graph digest, same tensors, same quantisers', () => {
    for (const scope of ['backbone', 'detection', 'segmentation']) {
      expect(graphDigest(wider, scope), scope).toBe(graphDigest(network, scope));
      expect(encodeCheckpoint(initialCheckpoint(wider, scope))).toEqual(
        encodeCheckpoint(initialCheckpoint(network, scope)),
      );
      const placed = (where: typeof network) => placeQuantizers(where, new Map([[scope, w4a4]])).activations;
      expect(placed(wider)).toEqual(placed(network));
    }
  });

  it('gives its classes at its stride, and leaves the other outputs bit for bit', async () => {
    const image = new Map([['image', randomTensor(new Random(2), [2, 3, SIZE, SIZE])]]);
    const run = (of: typeof network, outputs: readonly string[]) =>
      runGraph(buildReference(of, { scopes: floatScopes(of), outputs, batch: 2 }), image);
    const before = await run(network, ['detection.out', 'segmentation.out']);
    const after = await run(wider, ['detection.out', 'segmentation.out', 'occupancy.out']);
    for (const [name, tensor] of before) expect(after.get(name)?.data).toEqual(tensor.data);
    expect(after.get('out.occupancy.out')?.shape).toEqual([2, 2, SIZE / 2, SIZE / 2]);
  });

  it('is there after the model was written and read', () => {
    const read = networkOf(decodeModel(encodeModel(wider.graph)));
    expect(read.scopes.heads['occupancy']).toEqual({ outputs: ['occupancy.out'] });
    expect(graphDigest(read, 'occupancy')).toBe(graphDigest(wider, 'occupancy'));
  });

  it('has the same weights for the same seed, and others for another', () => {
    const drawn = (seed: number) =>
      freshHead(network, 'occupancy', { kind: 'heatmap', classes: 3, stride: 4 }, boundary, seed).initializers;
    expect(drawn(5)).toEqual(drawn(5));
    expect(drawn(6)).not.toEqual(drawn(5));
  });

  it('reads every coarser level of a backbone that has more than two', () => {
    const levels = [2, 4, 8].map((stride) => ({ value: `s${stride}`, channels: 4 * stride, stride }));
    const m = new ModelWriter(new Random(1), 'm');
    writeHead(m, 'lanes', { kind: 'dense', classes: 2, stride: 4 }, levels);
    const reads = new Set(m.b.nodes.flatMap(({ inputs }) => inputs));
    expect(levels.map(({ value }) => reads.has(value))).toEqual([false, true, true]);
  });
});

describe('a head that cannot be added', () => {
  it.each(['detection', 'backbone'])('is refused under the name of a scope that is there: %s', (name) => {
    expect(refusalOf(occupancy, name)).toThrow(`the model has a scope "${name}" already`);
  });

  it('is refused when it makes a tensor that the model has', () => {
    const detection = freshHead(network, 'detection', { kind: 'heatmap', classes: 3, stride: 4 }, boundary, 1);
    expect(refusalOf(detection, 'other')).toThrow(NetworkError);
    expect(refusalOf(detection, 'other')).toThrow(/head "other" makes tensor "detection\.\S+", which the model has/);
  });

  it('is refused when it reads the image or an inner value', () => {
    for (const value of ['image', 'backbone.stem.relu']) {
      const [first, ...others] = occupancy.nodes;
      if (first === undefined) throw new Error('no node');
      const nodes = [{ ...first, inputs: [value, ...first.inputs.slice(1)] }, ...others];
      expect(refusalOf({ ...occupancy, nodes })).toThrow(`reads "${value}", which is no boundary tensor`);
    }
  });

  it('is refused when no boundary tensor has its stride', () => {
    expect(() => freshHead(network, 'lanes', { kind: 'dense', classes: 2, stride: 8 }, boundary, 1)).toThrow(
      'head "lanes" has stride 8; the backbone\'s boundary tensors have 2, 4',
    );
  });
});

describe('a head from a file', () => {
  const file = (shape: readonly (number | string)[], input = 'features'): GraphIr => {
    const b = new GraphBuilder('x');
    const y = b.emit('Relu', [input], {}, { outputs: ['y'] });
    return b.finish({
      name: 'head',
      opset: 18,
      inputs: [{ name: input, dtype: 'float32', shape }],
      outputs: [{ name: y, dtype: 'float32' }],
    });
  };

  it('reads the boundary tensor that its input is named for, everything else under names of its own', () => {
    const { graph, ties } = tieInputs(file(['N', 16, 'h', 'w']), 'lanes', { features: COARSE }, boundary);
    expect(graph.inputs[0]?.shape).toEqual(['N', 16, SIZE / 4, SIZE / 4]);
    const head = foreignHead(graph, 'lanes', ties);
    expect(head.nodes.map(({ inputs, outputs }) => [...inputs, ...outputs])).toEqual([[COARSE, 'lanes/y']]);
    expect(addHead(network, 'lanes', head).scopes.heads['lanes']).toEqual({ outputs: ['lanes/y'] });
  });

  it.each([
    ['an input that no boundary tensor is named like', () => tieInputs(file(['N', 16]), 'lanes', {}, boundary)],
    ['another shape', () => tieInputs(file(['N', 8, 4, 4], COARSE), 'lanes', {}, boundary)],
    ['a name that is no input', () => tieInputs(file(['N', 16, 4, 4]), 'lanes', { x: COARSE }, boundary)],
    ['an output that it does not give', () => foreignHead(file(['N']), 'lanes', new Map(), ['z'])],
  ])('is refused for %s, naming what there is', (_, add) => {
    expect(add).toThrow(NetworkError);
    expect(add).toThrow(/"(features|y|backbone\.\S+)"/);
  });
});
