// What a scope's activations showed during one observation of the network, as one file: from it calibration finds ranges again,
// with another observer or for another profile, without data and without running the network. This file knows no bytes.
import type { Digest } from '../../support/digest.ts';
import type { Tensor } from '../../support/tensor.ts';
import { LoadError } from './checkpoint.ts';
import type { NamedTensors } from './checkpoint.ts';
import { Observation } from './observation.ts';

export interface ScopeStatistics {
  readonly scope: string;
  /** Scope digest of the weights that ran, after any equalisation. */
  readonly observed: Digest;
  /** Scope digest of the quantised backbone that a head stood on. */
  readonly backbone?: Digest;
  readonly images: number;
  readonly activations: ReadonlyMap<string, Observation>;
  /** Layer's weight → mean input under every tap of its kernel, [C, kH, kW]; kept for bias correction only. */
  readonly inputMeans: ReadonlyMap<string, Tensor>;
}

const FORMAT = 'headgate-activation-statistics';

/** Tensors `activation.<value>.min|max|counts|top` and `input.<weight>`. */
export function encodeStatistics(statistics: ScopeStatistics): NamedTensors {
  const tensors = new Map<string, Tensor>();
  for (const [value, observation] of statistics.activations)
    for (const [field, tensor] of observation.toTensors()) tensors.set(`activation.${value}.${field}`, tensor);
  for (const [weight, means] of statistics.inputMeans) tensors.set(`input.${weight}`, means);
  const { scope, observed, backbone, images } = statistics;
  const metadata = { format: FORMAT, version: '1', scope, observed, images: String(images) };
  return { tensors, metadata: { ...metadata, ...(backbone === undefined ? {} : { backbone }) } };
}

/** @throws LoadError when the tensors are not such statistics. */
export function decodeStatistics({ tensors, metadata }: NamedTensors): ScopeStatistics {
  const { format, version, scope, observed, backbone, images } = metadata;
  if (format !== FORMAT || version !== '1' || scope === undefined || observed === undefined)
    throw new LoadError(
      `the file holds no activation statistics of version 1 (format "${format ?? ''}", version "${version ?? ''}")`,
    );
  const fields = new Map<string, Map<string, Tensor>>();
  const inputMeans = new Map<string, Tensor>();
  for (const [name, tensor] of tensors) {
    if (name.startsWith('input.')) inputMeans.set(name.slice('input.'.length), tensor);
    const [, value, field] = /^activation\.(.+)\.(min|max|counts|top)$/.exec(name) ?? [];
    if (value === undefined || field === undefined) continue;
    fields.set(value, (fields.get(value) ?? new Map<string, Tensor>()).set(field, tensor));
  }
  const activations = new Map<string, Observation>();
  for (const [value, parts] of fields) {
    const observation = Observation.fromTensors(parts);
    if (observation === undefined) throw new LoadError(`the statistics of activation "${value}" are damaged`);
    activations.set(value, observation);
  }
  return {
    scope,
    observed: observed as Digest,
    ...(backbone === undefined ? {} : { backbone: backbone as Digest }),
    images: Number(images),
    activations,
    inputMeans,
  };
}
