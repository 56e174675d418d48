// What a rewriting of a graph adds to it. Decides nothing of what is rewritten.
import { toInt64 } from './int64.ts';
import type { Attribute, GraphIr, IrNode, IrTensor } from './ir.ts';

/** Constants and nodes that a rewriting adds, with names of their own. */
export class GraphEdit {
  readonly initializers: Map<string, IrTensor>;
  private counter = 0;

  constructor({ initializers }: GraphIr) {
    this.initializers = new Map(initializers);
  }

  /** The value of a constant, where it is one. */
  constantOf(name: string | undefined): IrTensor | undefined {
    return name === undefined ? undefined : this.initializers.get(name);
  }

  int64(values: readonly number[], shape: readonly number[] = [values.length]): string {
    return this.add({ dtype: 'int64', shape, data: BigInt64Array.from(values, toInt64) });
  }

  float(values: readonly number[], shape: readonly number[]): string {
    return this.add({ dtype: 'float32', shape, data: Float32Array.from(values) });
  }

  node(
    like: IrNode,
    op: string,
    inputs: readonly string[],
    attributes: { readonly [name: string]: Attribute } = {},
    outputs: readonly string[] = [`${like.name}/${op}_${this.counter}`],
  ): IrNode {
    return { op, domain: '', name: `${like.name}/${op}_${this.counter++}`, inputs, outputs, attributes };
  }

  private add(tensor: IrTensor): string {
    let name = `converted_${this.counter++}`;
    while (this.initializers.has(name)) name = `converted_${this.counter++}`;
    this.initializers.set(name, tensor);
    return name;
  }
}
