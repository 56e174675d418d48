// One scope's tensors in memory: parameters, and for a quantised scope the ranges and scales of its quantisers.
// `encode`/`decode` turn it into the named tensors and metadata of a safetensors file; this file knows no bytes.
import { byCodeUnit, canonicalJson } from '../../support/canonical-json.ts';
import { digestBytes, digestJson } from '../../support/digest.ts';
import type { Digest } from '../../support/digest.ts';
import type { Json } from '../../support/json.ts';
import { floatTensor, tensorBytes } from '../../support/tensor.ts';
import type { FloatTensor, Tensor } from '../../support/tensor.ts';
import type { Attribute, IrNode, IrTensor } from '../onnx/ir.ts';
import type { Network } from '../network/network.ts';
import { ancestorsOf, assignScopes } from '../network/scopes.ts';
import type { Profile } from './scheme.ts';
import { Refusal } from '../../support/refusal.ts';

export type ScopeState = 'float' | 'calibrated' | 'qat';

export interface Range {
  readonly min: number;
  readonly max: number;
  readonly scale: number;
}

export interface QuantState {
  readonly profile: Profile;
  readonly activations: ReadonlyMap<string, Range>;
  /** Weight name → one scale per output channel. */
  readonly weights: ReadonlyMap<string, Float32Array>;
}

/** What may have been done to a scope's weights since its float checkpoint, by calibration and then by QAT. */
export type Transformation = 'cross-layer-equalisation' | 'bias-correction' | 'batch-norm-folding';

/** Each at most once, in this order, with the reason why it cannot come later. */
const transformations: ReadonlyMap<string, string> = new Map<Transformation, string>([
  [
    'cross-layer-equalisation',
    'it moves the weights for whose rounding biases are corrected, and those that were folded',
  ],
  ['bias-correction', 'it is for the rounding of the weights that were calibrated, not of those that QAT trained'],
  ['batch-norm-folding', 'it is what QAT begins with'],
]);

export interface ScopeCheckpoint {
  readonly scope: string;
  readonly state: ScopeState;
  /** Digest of the float graph's structure that the tensors belong to: of this scope and what it stands on. */
  readonly graph: Digest;
  readonly parameters: ReadonlyMap<string, FloatTensor>;
  readonly quant?: QuantState;
  /** For a head made on a quantised backbone: that backbone's scope digest. */
  readonly backbone?: Digest;
  /** Left out where the weights are those of the float scope, or of QAT that went on from them. */
  readonly transformations?: readonly Transformation[];
}

export interface NamedTensors {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly metadata: { readonly [key: string]: string };
}

/** A checkpoint that does not fit where it is loaded, with the reason: the load-order verifier's words. */
export class LoadError extends Refusal {
  override readonly name = 'LoadError';
}

const FORMAT = 'headgate-checkpoint';
/** 2: `graph` is a digest of the scope's own part of the graph; in 1 it was one of the whole. */
const VERSION = '2';

/** Tensors `parameter.<name>`, `activation.<value>.min|max|scale` ([1]) and `weight.<name>.scale` ([O]). */
export function encodeCheckpoint(checkpoint: ScopeCheckpoint): NamedTensors {
  const tensors = new Map<string, Tensor>();
  for (const [name, tensor] of checkpoint.parameters) tensors.set(`parameter.${name}`, tensor);
  for (const [value, range] of checkpoint.quant?.activations ?? []) {
    for (const field of ['min', 'max', 'scale'] as const)
      tensors.set(`activation.${value}.${field}`, floatTensor([1], Float32Array.of(range[field])));
  }
  for (const [weight, scales] of checkpoint.quant?.weights ?? [])
    tensors.set(`weight.${weight}.scale`, floatTensor([scales.length], scales));
  const { scope, state, graph, backbone, quant, transformations = [] } = checkpoint;
  return {
    tensors,
    metadata: {
      format: FORMAT,
      version: VERSION,
      scope,
      state,
      graph,
      ...(backbone === undefined ? {} : { backbone }),
      ...(quant === undefined ? {} : { profile: canonicalJson(quant.profile) }),
      ...(transformations.length === 0 ? {} : { transformations: canonicalJson([...transformations]) }),
    },
  };
}

/** @throws LoadError when the tensors are not a checkpoint. */
export function decodeCheckpoint({ tensors, metadata }: NamedTensors): ScopeCheckpoint {
  const { format, version, scope, state, graph, backbone, profile } = metadata;
  if (format !== FORMAT || version !== VERSION || scope === undefined || graph === undefined || !isState(state)) {
    throw new LoadError(
      `the file is not a headgate checkpoint of version ${VERSION} (format "${format ?? ''}", version "${version ?? ''}")`,
    );
  }
  const parameters = new Map<string, FloatTensor>();
  const fields = new Map<string, { min?: number; max?: number; scale?: number }>();
  const weights = new Map<string, Float32Array>();
  for (const [name, tensor] of tensors) {
    if (tensor.dtype !== 'float32') throw new LoadError(`tensor "${name}" is ${tensor.dtype}, not float32`);
    const float = floatTensor(tensor.shape, tensor.data as Float32Array);
    if (name.startsWith('parameter.')) parameters.set(name.slice('parameter.'.length), float);
    else if (name.startsWith('weight.') && name.endsWith('.scale'))
      weights.set(name.slice('weight.'.length, -'.scale'.length), float.data);
    else {
      const [, value, field] = /^activation\.(.+)\.(min|max|scale)$/.exec(name) ?? [];
      if (value === undefined) throw new LoadError(`tensor "${name}" is no part of a checkpoint`);
      fields.set(value, { ...fields.get(value), [field as string]: float.data[0] as number });
    }
  }
  const activations = new Map<string, Range>();
  for (const [value, { min, max, scale }] of fields) {
    if (min === undefined || max === undefined || scale === undefined)
      throw new LoadError(`activation quantiser "${value}" lacks its min, max or scale`);
    activations.set(value, { min, max, scale });
  }
  return {
    scope,
    state,
    graph: graph as Digest,
    parameters,
    ...(profile === undefined ? {} : { quant: { profile: readProfile(profile), activations, weights } }),
    ...(backbone === undefined ? {} : { backbone: backbone as Digest }),
    ...(metadata['transformations'] === undefined
      ? {}
      : { transformations: readTransformations(metadata['transformations']) }),
  };
}

function readTransformations(text: string): readonly Transformation[] {
  const names = namesIn(text);
  const known = [...transformations.keys()];
  if (names === undefined || !names.every((name) => known.includes(name)))
    throw new LoadError(`the checkpoint's weights were changed in a way that is not known here: ${text}`);
  for (const [place, name] of names.entries()) {
    const before = names.slice(0, place);
    if (before.includes(name)) throw new LoadError(`the checkpoint's weights went through ${name} twice`);
    const late = before.find((earlier) => known.indexOf(earlier) > known.indexOf(name));
    if (late !== undefined)
      throw new LoadError(
        `the checkpoint's weights went through ${late} before ${name}, which comes first: ${transformations.get(name) ?? ''}`,
      );
  }
  return names as readonly Transformation[];
}

function namesIn(text: string): readonly string[] | undefined {
  try {
    const names: unknown = JSON.parse(text);
    return Array.isArray(names) ? names.map(String) : undefined;
  } catch {
    return undefined;
  }
}

function readProfile(text: string): Profile {
  try {
    const profile = JSON.parse(text) as Profile;
    // Written by us, but a file may be damaged: what every reader relies on must be there.
    if (typeof profile.weights.bits === 'number' && typeof profile.activations.bits === 'number') return profile;
  } catch {
    // Said below.
  }
  throw new LoadError(`the checkpoint's profile is not readable: ${text}`);
}

function isState(text: string | undefined): text is ScopeState {
  return text === 'float' || text === 'calibrated' || text === 'qat';
}

/** Digest over name, dtype, shape and bytes of every tensor of the scope, in order of name. */
export function scopeDigest(checkpoint: ScopeCheckpoint): Digest {
  const { tensors, metadata } = encodeCheckpoint(checkpoint);
  const rows = [...tensors]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, tensor]): Json => [name, tensor.dtype, [...tensor.shape], digestBytes(tensorBytes(tensor))]);
  return digestJson('headgate-scope', 1, [metadata['scope'] ?? '', metadata['profile'] ?? '', rows]);
}

/**
 * Digest of what a scope's checkpoint must fit: nodes, attributes and the parameters' shapes, not their values, of the scope
 * and of what it stands on. Other heads are no part of it, so that one can be added beside checkpoints that stay as they are.
 */
export function graphDigest({ graph, scopes }: Pick<Network, 'graph' | 'scopes'>, scope: string): Digest {
  const scopeOf = assignScopes(graph, scopes);
  const counted = new Set([scope, ...ancestorsOf(scopes, scope)]);
  const nodes = graph.nodes.filter((node) => counted.has(scopeOf.get(node) ?? ''));
  const read = new Set(nodes.flatMap((node) => node.inputs));
  const structure = nodes.map((node): Json => [
    node.domain,
    node.op,
    [...node.inputs],
    [...node.outputs],
    attributesJson(node),
  ]);
  const shapes = [...graph.initializers]
    .filter(([name]) => read.has(name))
    .map(([name, tensor]): Json => [name, tensor.dtype, [...tensor.shape]]);
  return digestJson('headgate-graph', 2, [structure, shapes]);
}

/** In order of name, floats as float32: what a graph looks like after it was written and read. */
function attributesJson(node: IrNode): Json {
  const names = Object.keys(node.attributes).sort(byCodeUnit);
  return names.map((name): Json => {
    const { kind, value } = node.attributes[name] as Attribute;
    if (typeof value === 'string') return [name, kind, value];
    if (typeof value === 'number') return [name, kind, Math.fround(value)];
    return 'dtype' in value
      ? [name, kind, value.dtype, [...value.shape], digestBytes(tensorBytesOf(value))]
      : [name, kind, value.map(Math.fround)];
  });
}

function tensorBytesOf(tensor: IrTensor): Uint8Array {
  return new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
}

/** The float checkpoint of a scope as the model file itself carries it. */
export function initialCheckpoint(network: Network, scope: string): ScopeCheckpoint {
  const parameters = new Map<string, FloatTensor>();
  for (const parameter of network.parameters) {
    const tensor = network.graph.initializers.get(parameter.name);
    if (parameter.scope !== scope || tensor === undefined) continue;
    if (tensor.dtype !== 'float32')
      throw new LoadError(`parameter "${parameter.name}" is ${tensor.dtype}; headgate trains float32 models`);
    parameters.set(parameter.name, floatTensor(tensor.shape, tensor.data as Float32Array));
  }
  return { scope, state: 'float', graph: graphDigest(network, scope), parameters };
}
