// The integer runtime's session for exported files, on M-LSD's pattern in small: an int8 map that is cut and transposed behind
// its quantiser, which onnxruntime's default session refuses at opset 21.
import { describe, expect, it } from 'vitest';
import { startIntegerSession } from '../../src/backends/embedded/integer-runtime.ts';
import type { IntegerSession } from '../../src/backends/embedded/integer-runtime.ts';
import { exportQdq } from '../../src/qat/export/qdq.ts';
import type { QdqOpset } from '../../src/qat/export/qdq.ts';
import { recogniseNetwork } from '../../src/qat/network/network.ts';
import { encodeModel } from '../../src/qat/onnx/codec.ts';
import type { GraphIr } from '../../src/qat/onnx/ir.ts';
import { normaliseImported } from '../../src/qat/onnx/normalise.ts';
import type { Profile } from '../../src/qat/quantize/scheme.ts';
import { Random } from '../../src/support/random.ts';
import { CHANNELS, CUTS, SIDE, smallDetector } from '../e2e/small-detector.ts';
import { calibrate, quantisedScopes } from '../qat/checkpoints.ts';
import { randomTensor } from '../qat/graphs.ts';
import { BATCH } from '../qat/networks.ts';

const w8a8: Profile = { weights: { bits: 8 }, activations: { bits: 8, unsignedAfterRelu: true } };
const w4a8: Profile = { ...w8a8, weights: { bits: 4 } };

describe('the session of an exported file', () => {
  it('is the default one in 8 bits, which are written at opset 20 where operators only move values', async () => {
    const graph = await exported(w8a8);
    expect(graph.opset).toBe(20);
    const { session, refusal, notes } = await start(encodeModel(graph));
    expect([refusal, notes]).toEqual([undefined, []]);
    await session.release();
  });

  it.each([
    ['of 8 bits, were it written at opset 21', w8a8],
    ['with 4-bit weights, which need opset 21', w4a8],
  ])('leaves int8 activations as they are where the default one is refused, and says so: %s', async (_, profile) => {
    const { session, refusal, notes } = await start(encodeModel({ ...(await exported(profile)), opset: 21 }));
    expect(refusal).toMatch(/output_dtype INT8 does not match y_zero_point type UINT8/);
    expect(notes).toEqual([
      expect.stringContaining(`refuses the file: ${refusal ?? ''} Measured with session.qdqisint8`),
    ]);
    expect(session.outputNames).toContain('offsets');
    await session.release();
  });

  it('is of the opset that was asked for, where that has the types', async () => {
    expect((await exported(w8a8, 21)).opset).toBe(21);
    await expect(exported(w4a8, 20)).rejects.toThrow('4-bit types need opset 21; 20 was asked for');
  });

  it('fails with the first refusal where both are refused', async () => {
    await expect(start(new Uint8Array([1, 2, 3]))).rejects.toMatchObject({ name: 'RuntimeError' });
  });
});

async function start(bytes: Uint8Array): Promise<IntegerSession & { readonly notes: readonly string[] }> {
  const notes: string[] = [];
  const context = {
    emit: (event: { readonly type: string; readonly text?: string }) => notes.push(event.text ?? event.type),
    outDir: '',
    resumeDir: '',
    interrupted: () => false,
  };
  return { ...(await startIntegerSession(context, bytes, { threads: 1 })), notes };
}

async function exported(profile: Profile, opset?: QdqOpset): Promise<GraphIr> {
  const heads = { offsets: { outputs: CUTS.outputs.offsets }, scores: { outputs: CUTS.outputs.scores } };
  const scopes = { backbone: { boundary: CUTS.boundary }, heads };
  const network = recogniseNetwork(await normaliseImported(smallDetector('signed')), scopes);
  const images = randomTensor(new Random(1), [BATCH, CHANNELS, SIDE, SIDE]);
  const calibrated = await calibrate(network, profile, new Map([['image', images]]));
  const half = SIDE / 2;
  const shapes = new Map([
    ['offsets.raw', [4, half, half]],
    ['scores.raw', [1, half, half]],
  ]);
  return exportQdq(network, quantisedScopes(calibrated), shapes, 'qdq', opset).graph;
}
