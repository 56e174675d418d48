// Nodes that read nothing but constants, as exporters leave them when they do not fold themselves: an Identity or Transpose of
// a weight, a Concat that puts Resize's scales together, a Split of paddings. Their results become initializers of their own,
// so that each parameter belongs to one layer again. What they take together is summed before any of it is made.
import { elementCount } from '../../support/tensor.ts';
import { initializerBytes } from './codec.ts';
import { boundFromCounts, countFromValues } from './constant-size.ts';
import { evaluate } from './evaluate.ts';
import type { GraphIr, IrNode, IrTensor } from './ir.ts';
import { UnsupportedModelError } from './unsupported-model.ts';

const MiB = 2 ** 20;
const WIDEST_VALUE = 8;
/** Folded constants may take so much, whatever the file holds … */
const FREE_BYTES = 256 * MiB;
/** … and beside it so many times its weights: one weight passes through a few nodes. */
const TIMES_WEIGHTS = 8;

/** Takes nodes in topological order. @throws RuntimeError when the runtime cannot compute a constant, UnsupportedModelError when they are too large. */
export async function foldConstants(graph: GraphIr): Promise<GraphIr> {
  const folding = new Folding(graph);
  const gone = new Set<IrNode>();
  for (const node of graph.nodes) {
    if (!folding.canFold(node)) continue;
    await folding.add(node);
    gone.add(node);
  }
  return {
    ...graph,
    nodes: graph.nodes.filter((node) => !gone.has(node)),
    initializers: await folding.constants(),
  };
}

/** Nodes whose results are bounded by counts alone wait and run together; the others need the values of what they read first. */
class Folding {
  private readonly graph: GraphIr;
  private known: ReadonlyMap<string, IrTensor>;
  private readonly counts = new Map<string, number>();
  private waiting: IrNode[] = [];
  private readonly most: number;
  private bytes = 0;

  constructor(graph: GraphIr) {
    this.graph = graph;
    this.known = graph.initializers;
    for (const [name, tensor] of graph.initializers) this.counts.set(name, elementCount(tensor.shape));
    this.most = FREE_BYTES + TIMES_WEIGHTS * initializerBytes(graph);
  }

  canFold({ op, domain, inputs }: IrNode): boolean {
    if (domain !== '' || inputs.length === 0 || op.startsWith('Random') || op === 'Bernoulli') return false;
    return inputs.every((input) => input === '' || this.counts.has(input));
  }

  async add(node: IrNode): Promise<void> {
    let count = boundFromCounts(
      node,
      node.inputs.map((input) => this.counts.get(input) ?? 0),
    );
    if (count === undefined) {
      await this.evaluateWaiting();
      count = countFromValues(
        node,
        node.inputs.map((input) => this.known.get(input)),
      );
    }
    this.bytes += count * WIDEST_VALUE;
    if (!(this.bytes <= this.most)) {
      throw new UnsupportedModelError(
        `node "${node.name}" (${node.op}): with it the constants that the model computes would take ${inMiB(this.bytes)}, and at most ${inMiB(this.most)} are made for its weights: store smaller constants that broadcast, or cut the model after it`,
      );
    }
    for (const output of node.outputs) this.counts.set(output, count);
    this.waiting.push(node);
  }

  async constants(): Promise<ReadonlyMap<string, IrTensor>> {
    await this.evaluateWaiting();
    return this.known;
  }

  private async evaluateWaiting(): Promise<void> {
    if (this.waiting.length === 0) return;
    const values = this.waiting.flatMap((node) => node.outputs).filter((name) => name !== '');
    const part = { ...this.graph, nodes: this.waiting, initializers: this.known };
    this.known = new Map([...this.known, ...(await evaluate(part, new Map(), values))]);
    this.waiting = [];
  }
}

function inMiB(bytes: number): string {
  return `${Math.ceil(bytes / MiB).toLocaleString('en')} MiB`;
}
