// An ONNX graph as plain data: nodes in topological order, tensors by name. No behaviour, no file access.
import type { DType, TensorData } from '../../support/tensor.ts';

/** int4 values are held one per byte in memory and packed two per byte on disk. */
export type IrDType = DType | 'int4' | 'uint4' | 'bool' | 'float16';

export interface IrTensor {
  readonly dtype: IrDType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** `exact` stands beside whole numbers that are too large for a JavaScript number, whose last bits `value` then lacks. */
export type Attribute =
  | { readonly kind: 'int'; readonly value: number; readonly exact?: bigint }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'ints'; readonly value: readonly number[]; readonly exact?: readonly bigint[] }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'tensor'; readonly value: IrTensor };

export interface IrNode {
  readonly op: string;
  /** '' is the standard ONNX domain. */
  readonly domain: string;
  readonly name: string;
  /** In a graph that copies nodes of a model under names of its own: what the model calls this one. */
  readonly modelName?: string | undefined;
  /** An empty name is an omitted optional input. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: { readonly [name: string]: Attribute };
}

export interface ValueInfo {
  readonly name: string;
  readonly dtype: IrDType;
  /** A string is a symbolic dimension. Undefined: unknown rank. */
  readonly shape?: readonly (number | string)[];
}

export interface GraphIr {
  readonly name: string;
  readonly opset: number;
  /** Of operator sets of other domains than ONNX's, where it is not 1. */
  readonly domainVersions?: ReadonlyMap<string, number> | undefined;
  readonly nodes: readonly IrNode[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly initializers: ReadonlyMap<string, IrTensor>;
  readonly metadata: { readonly [key: string]: string };
}

export const int = (value: number): Attribute => ({ kind: 'int', value });
export const float = (value: number): Attribute => ({ kind: 'float', value });
export const text = (value: string): Attribute => ({ kind: 'string', value });
export const ints = (value: readonly number[]): Attribute => ({ kind: 'ints', value });

/** An attribute's value; `fallback` where it is absent or of another kind. The same for the three below. */
export function intOf(node: IrNode, name: string, fallback: number): number {
  const attribute = node.attributes[name];
  return attribute?.kind === 'int' ? attribute.value : fallback;
}

export function floatOf(node: IrNode, name: string, fallback: number): number {
  const attribute = node.attributes[name];
  return attribute?.kind === 'float' ? attribute.value : fallback;
}

export function textOf(node: IrNode, name: string, fallback: string): string {
  const attribute = node.attributes[name];
  return attribute?.kind === 'string' ? attribute.value : fallback;
}

export function intsOf(node: IrNode, name: string, fallback: readonly number[]): readonly number[] {
  const attribute = node.attributes[name];
  return attribute?.kind === 'ints' ? attribute.value : fallback;
}

/** The same as `intsOf` with every bit of numbers beyond 2⁵³, for what becomes an int64 tensor. */
export function exactIntsOf(node: IrNode, name: string, fallback: readonly number[]): readonly (number | bigint)[] {
  const attribute = node.attributes[name];
  return attribute?.kind === 'ints' ? (attribute.exact ?? attribute.value) : fallback;
}
