// SQNR, cosine and multiply-accumulates beside what numpy and PyTorch computed (test/golden/make_analysis.py).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { activationChannels, emptyRanges, spreadOf, widen } from '../../../src/qat/analysis/channel-ranges.ts';
import { costOf, workOf } from '../../../src/qat/analysis/cost.ts';
import { Distortion, sqnrOf } from '../../../src/qat/analysis/distortion.ts';
import { BACKBONE, recogniseNetwork } from '../../../src/qat/network/network.ts';
import type { Network } from '../../../src/qat/network/network.ts';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { int, ints } from '../../../src/qat/onnx/ir.ts';
import { placeQuantizers } from '../../../src/qat/quantize/placement.ts';

interface Golden {
  readonly image: readonly number[];
  readonly distortions: readonly {
    readonly name: string;
    readonly reference: readonly number[];
    readonly found: readonly number[];
    readonly sqnr: number | null;
    readonly cosine: number;
  }[];
  readonly layers: readonly {
    readonly name: string;
    readonly op: string;
    readonly weight: readonly number[];
    readonly group: number;
    readonly stride: number;
    readonly pad: number;
    readonly output: readonly number[];
    readonly macs: number;
  }[];
}

const golden = JSON.parse(readFileSync(join(import.meta.dirname, '../../golden/analysis.json'), 'utf8')) as Golden;
/** Sums of a few hundred products in double precision, in another order. */
const ORDER_OF_SUMS = 9;

describe('distortion', () => {
  it.each(golden.distortions)('is numpy’s: $name', ({ reference, found, sqnr, cosine }) => {
    const distortion = new Distortion();
    // In two batches, as a job would.
    const [a, b] = [Float32Array.from(reference), Float32Array.from(found)];
    distortion.add(a.subarray(0, 70), b.subarray(0, 70));
    distortion.add(a.subarray(70), b.subarray(70));
    if (sqnr === null) expect(sqnrOf(distortion.noise)).toBeNull();
    else expect(sqnrOf(distortion.noise)).toBeCloseTo(sqnr, ORDER_OF_SUMS);
    expect(distortion.cosine).toBeCloseTo(cosine, ORDER_OF_SUMS);
  });

  it('of a silent tensor is finite', () => {
    const distortion = new Distortion();
    distortion.add(new Float32Array(3), Float32Array.of(0, 1, 0));
    expect(Number.isFinite(sqnrOf(distortion.noise))).toBe(true);
    expect(distortion.cosine).toBe(0);
    expect(new Distortion().cosine).toBe(1);
  });
});

describe('the cost of a format', () => {
  it.each(golden.layers)('counts multiply-accumulates as PyTorch does: $name', (layer) => {
    const network = oneLayer(layer);
    const shapes = new Map([
      ['image', golden.image],
      ['out', layer.output],
    ]);
    const works = workOf(network, BACKBONE, (value) => shapes.get(value) ?? []);
    const weights = layer.weight.reduce((product, size) => product * size, 1);
    expect(works.map(({ macs }) => macs)).toEqual([layer.macs]);
    const placement = placeQuantizers(
      network,
      new Map([
        [
          BACKBONE,
          {
            weights: { bits: 4 },
            activations: { bits: 16, unsignedAfterRelu: false },
            layers: { image: { activations: { bits: 8 } } },
          },
        ],
      ]),
    );
    expect(costOf(works, placement)).toEqual({ weightBits: weights * 4, bitOperations: layer.macs * 4 * 8 });
    // In float both factors have 32 bits.
    expect(costOf(works, placeQuantizers(network, new Map())).bitOperations).toBe(layer.macs * 32 * 32);
  });
});

describe('ranges per channel', () => {
  it('are the extremes of each channel over all batches', () => {
    const { channels, channelOf } = activationChannels([2, 3, 1, 2]);
    const ranges = emptyRanges(channels);
    widen(ranges, Float32Array.of(1, 2, -1, 0, 0, 0, 5, 0, 0, 0, 0, 0.5), channelOf);
    widen(ranges, Float32Array.of(0, 0, -3, 0, 0, 0, 0, 0, 0, 0, 0, 0), channelOf);
    expect([...ranges.min]).toEqual([0, -3, 0]);
    expect([...ranges.max]).toEqual([5, 0, 0.5]);
    expect(spreadOf(ranges)).toBeCloseTo(5 / 3);
    expect(spreadOf(emptyRanges(0))).toBe(1);
  });
});

function oneLayer({ op, weight, group, stride, pad }: Golden['layers'][number]): Network {
  const b = new GraphBuilder();
  const size = weight.reduce((product, dimension) => product * dimension, 1);
  b.initializers.set('weight', { dtype: 'float32', shape: weight, data: new Float32Array(size).fill(1) });
  const attributes = { group: int(group), strides: ints([stride, stride]), pads: ints([pad, pad, pad, pad]) };
  b.emit(op, ['image', 'weight'], attributes, { outputs: ['out'] });
  b.emit('Relu', ['out'], {}, { outputs: ['head'] });
  const graph = b.finish({
    name: 'one layer',
    opset: 18,
    inputs: [{ name: 'image', dtype: 'float32', shape: ['N', ...golden.image] }],
    outputs: [{ name: 'head', dtype: 'float32' }],
  });
  return recogniseNetwork(graph, { backbone: { boundary: ['out'] }, heads: { h: { outputs: ['head'] } } });
}
