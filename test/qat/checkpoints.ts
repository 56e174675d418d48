// Checkpoints of the small network for tests: float ones, and quantised ones whose ranges were observed on a batch of noise.
import { scopeOrder } from '../../src/qat/network/network.ts';
import type { Network } from '../../src/qat/network/network.ts';
import { buildReference } from '../../src/qat/network/reference.ts';
import type { ReferenceRequest, ScopeForward } from '../../src/qat/network/reference.ts';
import { initialCheckpoint } from '../../src/qat/quantize/checkpoint.ts';
import type { Range, ScopeCheckpoint } from '../../src/qat/quantize/checkpoint.ts';
import { weightScalesOf } from '../../src/qat/quantize/deploy.ts';
import { placeQuantizers } from '../../src/qat/quantize/placement.ts';
import { scaleOf } from '../../src/qat/quantize/scheme.ts';
import type { Profile } from '../../src/qat/quantize/scheme.ts';
import type { Tensor } from '../../src/support/tensor.ts';
import { runGraph } from './graphs.ts';
import type { Optimisation } from './graphs.ts';
import { BATCH, randomBatch } from './networks.ts';

export function scopeNames(network: Network): readonly string[] {
  return scopeOrder(network.scopes);
}

export function floatScopes(network: Network): ReadonlyMap<string, ScopeForward> {
  return new Map(
    scopeNames(network).map((scope) => [scope, { state: 'FLOAT', checkpoint: initialCheckpoint(network, scope) }]),
  );
}

/** Outputs of the reference forward under their names in the float graph. */
export async function runReference(
  network: Network,
  request: Omit<ReferenceRequest, 'batch'>,
  feeds: ReadonlyMap<string, Tensor>,
  optimisation: Optimisation = 'disabled',
): Promise<ReadonlyMap<string, Tensor>> {
  const results = await runGraph(buildReference(network, { ...request, batch: BATCH }), feeds, optimisation);
  return new Map(request.outputs.map((name) => [name, results.get(`out.${name}`) as Tensor]));
}

/** Every scope calibrated for `profile`, as the calibrate job would: min and max of the float values, scales of the weights. */
export async function calibrate(
  network: Network,
  profile: Profile,
  batch: ReadonlyMap<string, Tensor> = randomBatch(1),
): Promise<ReadonlyMap<string, ScopeCheckpoint>> {
  const scopes = floatScopes(network);
  const placement = placeQuantizers(network, new Map(scopeNames(network).map((scope) => [scope, profile])));
  const seen = await runReference(network, { scopes, outputs: [...placement.ranges.keys()] }, batch);
  const calibrated = new Map<string, ScopeCheckpoint>();
  for (const [scope, { checkpoint }] of scopes) {
    const activations = new Map<string, Range>();
    for (const [value, quantizer] of placement.ranges) {
      if (quantizer.scope !== scope) continue;
      const data = seen.get(value)?.data as Float32Array;
      const [min, max] = [data.reduce((a, b) => Math.min(a, b)), data.reduce((a, b) => Math.max(a, b))];
      activations.set(value, { min, max, scale: scaleOf(min, max, quantizer.format) });
    }
    const weights = new Map<string, Float32Array>();
    for (const unit of network.units) {
      const format =
        unit.kind === 'layer' && unit.scope === scope ? placement.weights.get(unit.quantiser)?.format : undefined;
      if (unit.kind === 'layer' && format !== undefined)
        weights.set(unit.quantiser, weightScalesOf(unit, checkpoint.parameters, format));
    }
    calibrated.set(scope, { ...checkpoint, state: 'calibrated', quant: { profile, activations, weights } });
  }
  return calibrated;
}

export function quantisedScopes(checkpoints: ReadonlyMap<string, ScopeCheckpoint>): ReadonlyMap<string, ScopeForward> {
  return new Map([...checkpoints].map(([scope, checkpoint]) => [scope, { state: 'VALIDATION', checkpoint }]));
}
