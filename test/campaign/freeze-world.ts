// What the freeze campaign mutates: a small calibrated network, its artifacts on disk, the training steps that a wrong stage
// would have run, and the proofs of headgate around them.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBackbone } from '../../src/backends/embedded/forward-runner.ts';
import { proveFrozenBackbone, proveFrozenConstants, proveKept } from '../../src/backends/embedded/freeze-proof.ts';
import type { JobContext } from '../../src/backends/embedded/job-context.ts';
import { JobError } from '../../src/backends/embedded/job-error.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { JOB_PROTOCOL } from '../../src/events/job-protocol.ts';
import type { JobFailure, JobRequest } from '../../src/events/job-protocol.ts';
import { BACKBONE } from '../../src/qat/network/network.ts';
import type { ScopeForward } from '../../src/qat/network/reference.ts';
import { encodeCheckpoint, initialCheckpoint, scopeDigest } from '../../src/qat/quantize/checkpoint.ts';
import type { ScopeCheckpoint } from '../../src/qat/quantize/checkpoint.ts';
import { placeQuantizers } from '../../src/qat/quantize/placement.ts';
import type { Profile } from '../../src/qat/quantize/scheme.ts';
import type { TrainState } from '../../src/qat/train/forward.ts';
import type { OptimizerSettings } from '../../src/qat/train/optimizer.ts';
import { compileProgram } from '../../src/qat/train/program.ts';
import type { TrainingProgram } from '../../src/qat/train/program.ts';
import { Trainer } from '../../src/qat/train/trainer.ts';
import { Random } from '../../src/support/random.ts';
import { encodeSafetensors } from '../../src/support/safetensors.ts';
import { calibrate } from '../qat/checkpoints.ts';
import { BATCH, parametersOf, randomBatch, SIZE, smallNetwork, targets } from '../qat/networks.ts';

export const HEAD = 'detection';
const network = smallNetwork();

/** A training whose loss counts for nothing: whatever moves is not moved by a gradient. */
export interface Step {
  readonly batchNorm: 'train' | 'frozen';
  readonly optimizer: OptimizerSettings;
  readonly learningRate: number;
  readonly averagingConstant: number;
  /** Of an earlier training, that nobody cleared. */
  readonly leftoverMomentum?: number;
}

export class FreezeWorld {
  readonly network = network;
  /** The backbone, and the heads made on it. */
  readonly scopes: ReadonlyMap<string, ScopeCheckpoint>;
  readonly floatHead = initialCheckpoint(network, HEAD);
  readonly profile: Profile;
  private readonly folder: string;
  private readonly program: TrainingProgram;
  private readonly dataset: Dataset;

  private constructor(
    profile: Profile,
    scopes: ReadonlyMap<string, ScopeCheckpoint>,
    folder: string,
    program: TrainingProgram,
  ) {
    this.profile = profile;
    this.scopes = scopes;
    this.folder = folder;
    this.program = program;
    this.dataset = noise();
  }

  static async start(profile: Profile): Promise<FreezeWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'headgate-freeze-'));
    const calibrated = await calibrate(network, profile);
    const backbone = scopeDigest(calibrated.get(BACKBONE) as ScopeCheckpoint);
    const scopes = new Map(
      [...calibrated].map(([scope, found]) => [scope, scope === BACKBONE ? found : { ...found, backbone }]),
    );
    const write = (name: string, checkpoint: ScopeCheckpoint): Promise<void> =>
      writeFile(join(folder, name), encodeSafetensors(encodeCheckpoint(checkpoint)));
    await write(BACKBONE, scopes.get(BACKBONE) as ScopeCheckpoint);
    await write(HEAD, initialCheckpoint(network, HEAD));
    const program = await compile(profile, scopes, 'frozen', { kind: 'adamw', weightDecay: 0.1 }, 1);
    return new FreezeWorld(profile, scopes, folder, program);
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }

  get backbone(): ScopeCheckpoint {
    return this.scopes.get(BACKBONE) as ScopeCheckpoint;
  }

  /** Around a stage that holds the backbone: it says that it `used` one, and ran it as `ran`. */
  async proveBackbone(
    used: ScopeForward,
    ran: ScopeForward = { state: 'VALIDATION', checkpoint: this.backbone },
    differentiated: readonly string[] = [],
  ): Promise<JobFailure | undefined> {
    const runner = await startBackbone(network, ran, BATCH, 1);
    const backbone = { declared: 'VALIDATION' as const, used, runner, batch: BATCH };
    const proof = { request: this.request('qat'), context: this.context(), network, dataset: this.dataset, backbone };
    return failureOf(() => proveFrozenBackbone({ ...proof, differentiated }));
  }

  /** Around a stage whose training graph holds the float head as constants; `change` is what was wrong with that graph. */
  proveHead(
    used: ScopeCheckpoint = this.floatHead,
    change: (program: TrainingProgram) => Partial<TrainingProgram> = () => ({}),
  ): Promise<JobFailure | undefined> {
    const proof = { request: this.request('qat'), context: this.context(), network, port: HEAD, used, batch: BATCH };
    const program = { ...this.program, ...change(this.program) };
    return failureOf(() => proveFrozenConstants({ ...proof, ...program, dataset: this.dataset }));
  }

  /** Around a merge. */
  proveMerge(merged: ReadonlyMap<string, ScopeForward>): Promise<JobFailure | undefined> {
    return failureOf(async () => proveKept(this.context(), this.forwards(), merged));
  }

  forwards(): Map<string, ScopeForward> {
    return new Map([...this.scopes].map(([scope, checkpoint]) => [scope, { state: 'VALIDATION', checkpoint }]));
  }

  /** Steps of a real training of the backbone with the head frozen in its graph, on noise. */
  async trainOnFrozenHead(seed: number): Promise<void> {
    const optimizer = { kind: 'adamw', weightDecay: 0.1 } as const;
    const trainer = await Trainer.start(this.program, optimizer, 1, this.initial());
    for (let step = 0; step < 2; step++)
      await trainer.step(randomBatch(seed + step), { learningRate: 0.01, averagingConstant: 0.01 });
    await trainer.release();
  }

  /** The backbone as a wrong stage leaves it that trained what should have been frozen. */
  async backboneAfter(step: Step, seed: number): Promise<ScopeCheckpoint> {
    const program = await compile(this.profile, this.scopes, step.batchNorm, step.optimizer, 0);
    const trainer = await Trainer.start(program, step.optimizer, 1, this.initial());
    if (step.leftoverMomentum !== undefined)
      trainer.restore({ ...trainer.state, first: trainer.state.first.map(() => step.leftoverMomentum as number) });
    await trainer.step(randomBatch(seed), step);
    const { quant } = this.backbone;
    const ranges = trainer.ranges(placementOf(this.profile, this.scopes));
    const moved = {
      ...this.backbone,
      parameters: new Map([...this.backbone.parameters, ...trainer.parameters()]),
      quant: quant && { ...quant, activations: new Map([...quant.activations, ...ranges]) },
    };
    await trainer.release();
    return moved as ScopeCheckpoint;
  }

  private initial() {
    return { parameters: parametersOf(network), ranges: rangesOf(this.scopes) };
  }

  private context(): JobContext {
    return { emit: () => undefined, outDir: this.folder, resumeDir: this.folder, interrupted: () => false };
  }

  private request(kind: string): JobRequest {
    const inputs = Object.fromEntries(
      [BACKBONE, HEAD].map((scope) => [
        scope,
        { type: 'checkpoint' as const, path: join(this.folder, scope), digest: '' },
      ]),
    );
    return { protocol: JOB_PROTOCOL, kind, stage: kind, token: '', settings: {}, inputs, seed: 0, threads: 1 };
  }
}

async function failureOf(prove: () => Promise<void>): Promise<JobFailure | undefined> {
  try {
    await prove();
    return undefined;
  } catch (cause) {
    if (cause instanceof JobError) return cause.failure;
    throw cause;
  }
}

function rangesOf(scopes: ReadonlyMap<string, ScopeCheckpoint>) {
  return new Map([...scopes.values()].flatMap(({ quant }) => [...(quant?.activations ?? [])]));
}

function placementOf(profile: Profile, scopes: ReadonlyMap<string, ScopeCheckpoint>) {
  return placeQuantizers(network, new Map([...scopes.keys()].map((scope) => [scope, profile])));
}

function compile(
  profile: Profile,
  scopes: ReadonlyMap<string, ScopeCheckpoint>,
  batchNorm: 'train' | 'frozen',
  optimizer: OptimizerSettings,
  weight: number,
): Promise<TrainingProgram> {
  return compileProgram({
    network,
    scopes: new Map<string, TrainState>([
      [BACKBONE, { state: 'QAT', trained: true, batchNorm }],
      [HEAD, { state: 'FLOAT', trained: false, batchNorm: 'frozen' }],
    ]),
    placement: placeQuantizers(network, new Map([[BACKBONE, profile]])),
    constants: parametersOf(network),
    ranges: rangesOf(scopes),
    activationScales: 'follow',
    losses: [{ kind: 'focal-heatmap', output: 'detection.out', target: 'target.detection', weight }],
    targets: targets.filter(({ name }) => name === 'target.detection'),
    batch: BATCH,
    boundaryShapes: new Map(),
    optimizer,
    momentum: 0.1,
  });
}

function noise(): Dataset {
  const count = 2 * BATCH;
  const random = new Random(17);
  return {
    name: 'noise',
    count,
    channels: 3,
    height: SIZE,
    width: SIZE,
    images: Uint8Array.from({ length: count * 3 * SIZE * SIZE }, () => random.below(256)),
    normalisation: { scale: 1 / 255, mean: [0.5, 0.5, 0.5], std: [0.3, 0.3, 0.3] },
    targets: new Map(),
  };
}
