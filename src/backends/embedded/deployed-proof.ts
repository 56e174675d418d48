// The two nets in front of every quantised checkpoint: what is deployed of it is the float graph with all quantisers off, and
// every weight lies on its own grid (src/qat/proof). Either fails the stage, and names the layer.
import { ImageBatcher } from '../../data/batches.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { Network } from '../../qat/network/network.ts';
import { proveDeployedForm } from '../../qat/proof/deployed-form.ts';
import { scalesAreDerived, weightsOnGrid } from '../../qat/proof/weight-grid.ts';
import type { ScopeCheckpoint } from '../../qat/quantize/checkpoint.ts';
import type { Placement } from '../../qat/quantize/placement.ts';
import type { JsonObject } from '../../support/json.ts';
import type { Tensor } from '../../support/tensor.ts';
import { noiseFor } from './import-proof.ts';
import type { JobContext } from './job-context.ts';
import { JobError } from './job-error.ts';

/** Enough to excite each layer, and little beside any observation or training. */
const PROBE_IMAGES = 2;

export interface CheckpointToProve {
  readonly network: Network;
  readonly placement: Placement;
  readonly checkpoint: ScopeCheckpoint;
  /** Checkpoints of the scopes that it stands on. */
  readonly below: readonly ScopeCheckpoint[];
  readonly images: Tensor;
  readonly threads: number;
  /** Says whether weights have the scales of their own values; by default the checkpoint shows it. */
  readonly weightScales?: 'derived' | 'learned' | undefined;
}

/** @returns what was found, for the stage's report. @throws JobError 'deployed-differs' or 'weights-off-grid'. */
export async function proveDeployed(context: JobContext, what: CheckpointToProve): Promise<JsonObject> {
  const { network, placement, checkpoint, below, images, threads } = what;
  const { scope } = checkpoint;
  const parameters = new Map([...below, checkpoint].flatMap((of) => [...of.parameters]));
  const form = await proveDeployedForm({ network, parameters, scopes: new Set([scope]), images, threads });
  if (form.problem !== undefined) throw new JobError({ reason: 'deployed-differs', message: form.problem });
  const derived =
    checkpoint.state === 'calibrated' ||
    what.weightScales === 'derived' ||
    (what.weightScales === undefined && scalesAreDerived(network, placement, checkpoint));
  const grid = weightsOnGrid(network, placement, checkpoint, !derived);
  if (grid.problem !== undefined) throw new JobError({ reason: 'weights-off-grid', message: grid.problem });
  const share = grid.values === 0 ? 0 : grid.clipped / grid.values;
  const text = `${scope}: ${form.layers} layers deployed with all quantisers off equal the float graph on ${images.shape[0] ?? 0} images (largest difference ${form.largest.toExponential(1)}); ${grid.values} weights within half a step of their float ones, ${(100 * share).toFixed(2)} % clipped`;
  context.emit({ type: 'proof', proof: { name: 'deployed', held: true, text } });
  return { layers: form.layers, largest: form.largest, clippedShare: share, clipped: Object.fromEntries(grid.shares) };
}

/** The first images of a data set. */
export function probeOf(dataset: Dataset): Tensor {
  const count = Math.min(dataset.count, PROBE_IMAGES);
  return new ImageBatcher(dataset).images(Array.from({ length: count }, (_, index) => index));
}

/** Noise in the shape of the network's input, as the probe of a stage that reads no images. */
export function noiseProbe({ input }: Network): Tensor {
  return noiseFor([[input.name, [PROBE_IMAGES, ...input.shape]]]).get(input.name) as Tensor;
}
