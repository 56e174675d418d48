// Builds a GraphIr node by node. Names are counted, so equal calls give equal bytes; equal small constants are shared.
import { elementCount } from '../../support/tensor.ts';
import { toInt64 } from './int64.ts';
import { int } from './ir.ts';
import type { Attribute, GraphIr, IrNode, IrTensor, ValueInfo } from './ir.ts';

export interface EmitOptions {
  /** Names of the outputs; a count makes that many fresh names. */
  readonly outputs?: readonly string[] | number;
  readonly domain?: string;
}

/** Nodes are appended in execution order. */
export class GraphBuilder {
  readonly nodes: IrNode[] = [];
  readonly initializers = new Map<string, IrTensor>();
  private readonly shared = new Map<string, string>();
  private readonly prefix: string;
  private counter = 0;

  constructor(prefix = 'v') {
    this.prefix = prefix;
  }

  fresh(hint: string): string {
    return `${this.prefix}${this.counter++}_${hint}`;
  }

  /** Adds a node with one output and returns the output's name. */
  emit(
    op: string,
    inputs: readonly string[],
    attributes: { readonly [name: string]: Attribute } = {},
    options: EmitOptions = {},
  ): string {
    return this.emitAll(op, inputs, attributes, options)[0] as string;
  }

  emitAll(
    op: string,
    inputs: readonly string[],
    attributes: { readonly [name: string]: Attribute } = {},
    options: EmitOptions = {},
  ): readonly string[] {
    const wanted = options.outputs ?? 1;
    const outputs = typeof wanted === 'number' ? Array.from({ length: wanted }, () => this.fresh(op)) : wanted;
    this.nodes.push({
      op,
      domain: options.domain ?? '',
      name: `n${this.nodes.length}_${op}`,
      inputs,
      outputs,
      attributes,
    });
    return outputs;
  }

  /** An initializer; small equal ones (up to 64 elements) share a name. */
  constant(tensor: IrTensor, hint = 'c'): string {
    const small = elementCount(tensor.shape) <= 64;
    const key = small ? `${tensor.dtype}|${tensor.shape.join()}|${bitKey(tensor)}` : '';
    const known = small ? this.shared.get(key) : undefined;
    if (known !== undefined) return known;
    const name = this.fresh(hint);
    this.initializers.set(name, tensor);
    if (small) this.shared.set(key, name);
    return name;
  }

  scalar(value: number): string {
    return this.constant({ dtype: 'float32', shape: [], data: Float32Array.of(value) });
  }

  int64(values: readonly (number | bigint)[]): string {
    return this.constant({ dtype: 'int64', shape: [values.length], data: BigInt64Array.from(values, toInt64) });
  }

  floats(values: readonly number[], shape: readonly number[] = [values.length]): string {
    return this.constant({ dtype: 'float32', shape, data: Float32Array.from(values) });
  }

  reshape(value: string, shape: readonly number[]): string {
    return this.emit('Reshape', [value, this.int64(shape)]);
  }

  reduceSum(value: string, axes: readonly number[], keepDims: boolean): string {
    return this.emit('ReduceSum', [value, this.int64(axes)], { keepdims: int(keepDims ? 1 : 0) });
  }

  finish(parts: {
    readonly name: string;
    readonly opset: number;
    readonly domainVersions?: GraphIr['domainVersions'];
    readonly inputs: readonly ValueInfo[];
    readonly outputs: readonly ValueInfo[];
    readonly metadata?: { readonly [key: string]: string };
  }): GraphIr {
    return { ...parts, metadata: parts.metadata ?? {}, nodes: this.nodes, initializers: this.initializers };
  }
}

function bitKey(tensor: IrTensor): string {
  const { buffer, byteOffset, byteLength } = tensor.data;
  return Buffer.from(buffer, byteOffset, byteLength).toString('hex');
}
