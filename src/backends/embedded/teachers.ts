// Float networks whose values a training pulls towards (distillation).
import type { JobRequest } from '../../events/job-protocol.ts';
import type { Network } from '../../qat/network/network.ts';
import type { ScopeForward } from '../../qat/network/reference.ts';
import type { ScopeCheckpoint } from '../../qat/quantize/checkpoint.ts';
import { valueShapesOf, ForwardRunner, startBackbone } from './forward-runner.ts';
import type { FrozenBackbone } from './frozen-backbone.ts';
import type { DistanceSettings } from './settings.ts';

export interface Teacher {
  readonly runner: ForwardRunner;
  /** Values of the float graph whose distance counts. */
  readonly values: readonly string[];
  readonly weight: number;
  readonly distance: DistanceSettings;
}

export interface Lesson {
  readonly request: JobRequest;
  readonly network: Network;
  readonly checkpoint: ScopeCheckpoint;
  readonly weight: number;
  readonly distance?: DistanceSettings | undefined;
}

/** Teaches boundary features from images. */
export async function startBackboneTeacher(lesson: Lesson, batch: number): Promise<Teacher> {
  const { request, network, checkpoint, weight, distance = { kind: 'mse' } } = lesson;
  const runner = await startBackbone(network, { state: 'FLOAT', checkpoint }, batch, request.threads);
  return { runner, values: network.scopes.backbone.boundary, weight, distance };
}

/** Teaches the head's `output` from the features of the backbone that the taught head stands on. */
export async function startHeadTeacher(lesson: Lesson, output: string, backbone: FrozenBackbone): Promise<Teacher> {
  const { request, network, checkpoint, weight, distance = { kind: 'mse' } } = lesson;
  const { batch } = backbone;
  const values = [output];
  const runner = await ForwardRunner.start({
    network,
    scopes: new Map([[checkpoint.scope, { state: 'FLOAT', checkpoint }]]),
    outputs: values,
    batch,
    threads: request.threads,
    boundaryShapes: await valueShapesOf(network, backbone.runner, batch),
  });
  return { runner, values, weight, distance };
}

/** Teaches head outputs from images: the backbone and the heads as one float model. */
export async function startModelTeacher(
  { request, network, weight, distance = { kind: 'mse' } }: Omit<Lesson, 'checkpoint'>,
  checkpoints: readonly ScopeCheckpoint[],
  outputs: readonly string[],
  batch: number,
): Promise<Teacher> {
  const scopes = new Map(
    checkpoints.map((checkpoint): [string, ScopeForward] => [checkpoint.scope, { state: 'FLOAT', checkpoint }]),
  );
  const runner = await ForwardRunner.start({ network, scopes, outputs, batch, threads: request.threads });
  return { runner, values: outputs, weight, distance };
}
