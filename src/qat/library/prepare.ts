// `prepare`: a float graph becomes a network with scopes and a quantiser at every place that its target's table names. Nothing
// is observed or changed yet.
import { computedNodes, recogniseNetwork, scopeOrder } from '../network/network.ts';
import type { Network, ScopeNames } from '../network/network.ts';
import { scopeMetadata, scopesOf } from '../network/scopes.ts';
import type { GraphIr } from '../onnx/ir.ts';
import { normaliseImported } from '../onnx/normalise.ts';
import { refuseUnknownOperators } from '../onnx/unknown-operators.ts';
import { placeQuantizers } from '../quantize/placement.ts';
import type { Placement } from '../quantize/placement.ts';
import type { Profile } from '../quantize/scheme.ts';

export interface PrepareOptions {
  /** The backbone's boundary tensors and each head's outputs; by default those that the model's metadata names. */
  readonly scopes?: ScopeNames;
  /** Number formats and target of every scope. */
  readonly profile: Profile;
  /** Scope → a profile of its own. */
  readonly profiles?: { readonly [scope: string]: Profile };
}

export interface Prepared {
  readonly network: Network;
  /** One for each scope, parents before those that stand on them. */
  readonly profiles: ReadonlyMap<string, Profile>;
  /** Where the quantisers of the whole network sit. */
  readonly placement: Placement;
}

/**
 * @param graph float, of opset 9 to 21; it is brought to headgate's own spelling first.
 * @throws OnnxError for a node that cannot be taken.
 * @throws NetworkError for scopes that do not fit the graph, or an operator that the target's table does not know.
 */
export async function prepare(graph: GraphIr, { scopes, profile, profiles = {} }: PrepareOptions): Promise<Prepared> {
  const alike = await normaliseImported(graph);
  const names = scopes ?? scopesOf(alike);
  const scoped = { ...alike, metadata: { ...alike.metadata, ...scopeMetadata(names) } };
  const network = recogniseNetwork(scoped, names);
  await refuseUnknownOperators(computedNodes(network), network.graph.opset);
  const ofScopes = new Map(scopeOrder(names).map((scope) => [scope, profiles[scope] ?? profile]));
  return { network, profiles: ofScopes, placement: placeQuantizers(network, ofScopes) };
}
