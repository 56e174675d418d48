// The scopes of a multi-task network as a tree: the backbone up to its boundary tensors, necks that some heads share, and one
// scope per head; and which scope each node of a graph belongs to. Not for what quantisation does in them.
import type { GraphIr, IrNode } from '../onnx/ir.ts';
import { NetworkError } from './network-error.ts';

export const BACKBONE = 'backbone';

export interface ScopeNames {
  readonly backbone: { readonly boundary: readonly string[] };
  /** Parts between the backbone and some heads, each with boundary tensors of its own. */
  readonly necks?: { readonly [name: string]: NeckNames };
  readonly heads: { readonly [name: string]: HeadNames };
}

export interface NeckNames {
  readonly boundary: readonly string[];
  /** A neck, or by default the backbone. */
  readonly parent?: string;
}

export interface HeadNames {
  readonly outputs: readonly string[];
  /** A neck, or by default the backbone. */
  readonly parent?: string;
}

const METADATA_KEY = 'headgate.scopes';

/** The model metadata that `scopesOf` reads. */
export function scopeMetadata(scopes: ScopeNames): { readonly [key: string]: string } {
  return { [METADATA_KEY]: JSON.stringify(scopes) };
}

/** @throws NetworkError when the model carries no scopes, or in another form. */
export function scopesOf(graph: GraphIr): ScopeNames {
  const written = graph.metadata[METADATA_KEY];
  if (written === undefined)
    throw new NetworkError(
      `the model names no scopes (metadata "${METADATA_KEY}"); import it with its boundary and heads`,
    );
  const refused = new NetworkError(
    `the model's metadata "${METADATA_KEY}" is not {"backbone": {"boundary": [...]}, "heads": {...}}`,
  );
  let scopes: unknown;
  try {
    scopes = JSON.parse(written);
  } catch {
    throw refused;
  }
  const { backbone, necks = {}, heads } = isRecord(scopes) ? scopes : {};
  if (!isRecord(backbone) || !isNames(backbone['boundary']) || !isRecord(heads) || !isRecord(necks)) throw refused;
  if (!Object.values(heads).every((head) => isRecord(head) && isNames(head['outputs']))) throw refused;
  if (!Object.values(necks).every((neck) => isRecord(neck) && isNames(neck['boundary']))) throw refused;
  return scopes as ScopeNames;
}

function isRecord(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === 'string');
}

/** The scope's parents, nearest first; the backbone is everyone's last. @throws NetworkError for an unknown one or a circle. */
export function ancestorsOf(scopes: ScopeNames, scope: string): readonly string[] {
  const found: string[] = [];
  let current = scope;
  while (current !== BACKBONE) {
    const { parent = BACKBONE } = scopes.necks?.[current] ?? scopes.heads[current] ?? {};
    if (parent !== BACKBONE && scopes.necks?.[parent] === undefined) {
      const known = [BACKBONE, ...Object.keys(scopes.necks ?? {})].join(', ');
      throw new NetworkError(`scope "${current}" has parent "${parent}", which is no scope to stand on (${known})`);
    }
    if (found.includes(parent)) throw new NetworkError(`necks "${parent}" and "${current}" are each other's parents`);
    found.push(parent);
    current = parent;
  }
  return found;
}

/** Backbone, necks (parents first), heads. */
export function scopeOrder(scopes: ScopeNames): readonly string[] {
  const depth = (scope: string): number => ancestorsOf(scopes, scope).length;
  const necks = Object.keys(scopes.necks ?? {}).sort((left, right) => depth(left) - depth(right));
  return [BACKBONE, ...necks, ...Object.keys(scopes.heads)];
}

/** The boundary tensors of the backbone or of a neck; a head has none. */
export function boundaryOf(scopes: ScopeNames, scope: string): readonly string[] {
  return scope === BACKBONE ? scopes.backbone.boundary : (scopes.necks?.[scope]?.boundary ?? []);
}

/** All boundary tensors and head outputs: values that stay as they are, under their names. */
export function keptValues(scopes: ScopeNames): ReadonlySet<string> {
  const boundaries = scopeOrder(scopes).flatMap((scope) => boundaryOf(scopes, scope));
  return new Set([...boundaries, ...Object.values(scopes.heads).flatMap((head) => head.outputs)]);
}

/** @returns nodes that reach a boundary tensor or a head's output; all others belong to no scope. */
export function assignScopes(graph: GraphIr, scopes: ScopeNames): ReadonlyMap<IrNode, string> {
  const producer = new Map<string, IrNode>();
  for (const node of graph.nodes) for (const output of node.outputs) producer.set(output, node);
  const scopeOf = new Map<IrNode, string>();
  for (const scope of scopeOrder(scopes)) {
    const head = scopes.heads[scope];
    const values = head?.outputs ?? boundaryOf(scopes, scope);
    for (const value of values) requireValue(producer, value, whatOf(scope, head !== undefined));
    claim(values, scope, new Set(ancestorsOf(scopes, scope)), producer, scopeOf);
  }
  for (const [node, scope] of scopeOf) refuseInnerReads(scopes, node, scope, producer, scopeOf);
  return scopeOf;
}

function whatOf(scope: string, head: boolean): string {
  if (scope === BACKBONE) return 'boundary tensor';
  return head ? `output of head "${scope}"` : `boundary tensor of neck "${scope}"`;
}

function claim(
  values: readonly string[],
  scope: string,
  ancestors: ReadonlySet<string>,
  producer: ReadonlyMap<string, IrNode>,
  scopeOf: Map<IrNode, string>,
): void {
  const stack = [...values];
  while (stack.length > 0) {
    const node = producer.get(stack.pop() as string);
    if (node === undefined) continue;
    const owner = scopeOf.get(node);
    if (owner === scope || (owner !== undefined && ancestors.has(owner))) continue;
    if (owner !== undefined) {
      throw new NetworkError(
        `node "${node.name}" (${node.op}) is reached by heads "${owner}" and "${scope}"; move the boundary after it so that it belongs to what both stand on, such as the backbone`,
      );
    }
    scopeOf.set(node, scope);
    stack.push(...node.inputs);
  }
}

function refuseInnerReads(
  scopes: ScopeNames,
  node: IrNode,
  scope: string,
  producer: ReadonlyMap<string, IrNode>,
  scopeOf: ReadonlyMap<IrNode, string>,
): void {
  for (const input of node.inputs) {
    const from = producer.get(input);
    const owner = from === undefined ? undefined : scopeOf.get(from);
    if (owner === undefined || owner === scope || boundaryOf(scopes, owner).includes(input)) continue;
    const inside = owner === BACKBONE ? 'the backbone' : `neck "${owner}"`;
    const reader = scopes.heads[scope] === undefined ? `neck "${scope}"` : `head "${scope}"`;
    throw new NetworkError(`${reader} reads "${input}" from inside ${inside}; name it as a boundary tensor`);
  }
}

function requireValue(producer: ReadonlyMap<string, IrNode>, value: string, what: string): void {
  if (producer.has(value)) return;
  const some = [...producer.keys()].slice(-6).join(', ');
  throw new NetworkError(`${what} "${value}" is not a tensor of the model (its last ones: ${some})`);
}
