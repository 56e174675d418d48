// What no comparison of tensors can see: a backbone whose tensors and declared state are right, and which ran otherwise.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startBackbone } from '../../src/backends/embedded/forward-runner.ts';
import { proveFrozenBackbone, proveKept } from '../../src/backends/embedded/freeze-proof.ts';
import type { JobContext } from '../../src/backends/embedded/job-context.ts';
import { JobError } from '../../src/backends/embedded/job-error.ts';
import { openPackedDataset } from '../../src/data/packed-dataset.ts';
import { JOB_PROTOCOL } from '../../src/events/job-protocol.ts';
import type { JobEvent, JobRequest } from '../../src/events/job-protocol.ts';
import { networkOf } from '../../src/qat/network/network.ts';
import type { Network } from '../../src/qat/network/network.ts';
import type { ScopeForward } from '../../src/qat/network/reference.ts';
import { decodeModel } from '../../src/qat/onnx/codec.ts';
import type { ScopeCheckpoint } from '../../src/qat/quantize/checkpoint.ts';
import { activationScaleSlot, weightScaleSlot } from '../../src/qat/train/scale-slots.ts';
import { checkpointAt } from './artifacts.ts';
import { BATCH } from './orders.ts';
import { World } from './world.ts';

let world: World;
let network: Network;
let checkpoint: ScopeCheckpoint;
beforeAll(async () => {
  world = await World.start();
  network = networkOf(decodeModel(await readFile(await world.model())));
  checkpoint = await checkpointAt(await world.calibratedBackbone());
});
afterAll(() => world.remove());

/** The stage says that it ran `says`; its graph was built as `ran`. */
async function prove(says: ScopeForward, ran: ScopeForward, differentiated: readonly string[] = []) {
  const events: JobEvent[] = [];
  const context: JobContext = {
    emit: (event) => void events.push(event),
    outDir: world.rig.root,
    resumeDir: world.rig.root,
    interrupted: () => false,
  };
  const request: JobRequest = {
    protocol: JOB_PROTOCOL,
    kind: 'qat',
    stage: 'qat',
    token: '',
    settings: {},
    inputs: { backbone: { type: 'checkpoint', path: await world.calibratedBackbone(), digest: '' } },
    seed: 0,
    threads: 1,
  };
  const backbone = {
    declared: 'VALIDATION' as const,
    used: says,
    runner: await startBackbone(network, ran, BATCH, 1),
    batch: BATCH,
  };
  const dataset = await openPackedDataset(world.gateData);
  const failure = await proveFrozenBackbone({ request, context, network, dataset, backbone, differentiated }).then(
    () => undefined,
    (cause: unknown) => (cause instanceof JobError ? cause.failure : Promise.reject(cause as Error)),
  );
  return { failure, events };
}

describe('the freeze proof of a backbone', () => {
  const right = (): ScopeForward => ({ state: 'VALIDATION', checkpoint });

  it('holds for what it was given', async () => {
    const { failure, events } = await prove(right(), right());
    expect(failure).toBeUndefined();
    expect(events).toMatchObject([{ type: 'proof', proof: { name: 'freeze', held: true } }]);
  });

  it('fails on the probe when the graph ran in FLOAT though all tensors and the state say otherwise', async () => {
    const { failure, events } = await prove(right(), { state: 'FLOAT', checkpoint });
    expect(failure).toMatchObject({
      reason: 'freeze-violated',
      message: expect.stringMatching(
        /"backbone" changed: backbone\.block1\.pointwise\.relu at index \d+: \S+ → \S+/,
      ) as string,
    });
    expect(events).toEqual([]);
  });

  it('fails on the probe when the graph ran with another scale', async () => {
    const quant = checkpoint.quant as NonNullable<typeof checkpoint.quant>;
    const activations = new Map(
      [...quant.activations].map(([value, range]) => [value, { ...range, scale: range.scale * 1.5 }]),
    );
    const { failure } = await prove(right(), {
      state: 'VALIDATION',
      checkpoint: { ...checkpoint, quant: { ...quant, activations } },
    });
    expect(failure?.reason).toBe('freeze-violated');
  });

  it('fails when one of its parameters has a gradient', async () => {
    const { failure } = await prove(right(), right(), ['detection.out.weight', 'backbone.stem.weight']);
    expect(failure?.message).toBe('frozen scope "backbone" changed: backbone.stem.weight: no gradient → a gradient');
  });
});

describe('a learned scale among what was trained', () => {
  const right = (): ScopeForward => ({ state: 'VALIDATION', checkpoint });

  it.each([
    {
      of: 'an activation',
      name: () => activationScaleSlot([...(checkpoint.quant?.activations.keys() ?? [])][0] ?? ''),
    },
    { of: 'a weight', name: () => weightScaleSlot([...(checkpoint.quant?.weights.keys() ?? [])][0] ?? '') },
  ])('fails the proof where it is that of $of of the frozen backbone', async ({ name }) => {
    const { failure } = await prove(right(), right(), [weightScaleSlot('detection.out.weight'), name()]);
    expect(failure?.message).toBe(`frozen scope "backbone" changed: ${name()}: no gradient → a gradient`);
  });
});

describe('the proof that a merge kept its scopes', () => {
  const context: JobContext = { emit: () => undefined, outDir: '', resumeDir: '', interrupted: () => false };
  const artifacts = (): ReadonlyMap<string, ScopeForward> =>
    new Map([['backbone', { state: 'VALIDATION', checkpoint }]]);

  it('fails for a scope that was left out', () => {
    expect(() => proveKept(context, artifacts(), new Map())).toThrow('changed: state: VALIDATION → missing');
  });

  it('fails for a scope that came from another backbone', () => {
    const other: ScopeForward = {
      state: 'VALIDATION',
      checkpoint: { ...checkpoint, backbone: '0'.repeat(64) as never },
    };
    expect(() => proveKept(context, artifacts(), new Map([['backbone', other]]))).toThrow(
      /changed: backbone: none → 0{64}/,
    );
  });
});
