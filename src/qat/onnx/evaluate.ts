// Values of a graph computed with the runtime: what constants come to, and what an image of zeros makes of shapes. Only the
// nodes that lead to the asked values run.
import { createSession, RuntimeError } from '../runtime/onnxruntime.ts';
import type { Tensor } from '../../support/tensor.ts';
import { encodeModel } from './codec.ts';
import type { GraphIr, IrNode, IrTensor } from './ir.ts';

/** The runtime gives truth values as bytes; these operators make them. */
const makesTruth: ReadonlySet<string> = new Set([
  'Equal',
  'Greater',
  'GreaterOrEqual',
  'Less',
  'LessOrEqual',
  'And',
  'Or',
  'Not',
  'Xor',
  'IsNaN',
  'IsInf',
]);

/** @throws RuntimeError when the runtime cannot run the graph. */
export async function evaluate(
  graph: GraphIr,
  feeds: ReadonlyMap<string, Tensor>,
  values: readonly string[],
): Promise<ReadonlyMap<string, IrTensor>> {
  const wanted = new Set(values);
  const nodes: IrNode[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((output) => wanted.has(output))) continue;
    for (const input of node.inputs) wanted.add(input);
    nodes.unshift(node);
  }
  const made = new Set(nodes.flatMap((node) => node.outputs));
  const asked = values.filter((value) => made.has(value));
  if (asked.length === 0) return new Map();
  const part: GraphIr = {
    ...graph,
    nodes,
    inputs: graph.inputs.filter(({ name }) => feeds.has(name)),
    outputs: asked.map((name) => ({ name, dtype: 'float32' })),
    initializers: new Map([...graph.initializers].filter(([name]) => wanted.has(name))),
  };
  const model = encodeModel(part, { outputTypes: 'inferred' });
  const session = await createSession(model, { threads: 1, optimisation: 'disabled' });
  try {
    const used = new Map([...feeds].filter(([name]) => session.inputNames.includes(name)));
    const results = await session.run(used).catch((cause: unknown) => {
      throw new RuntimeError(cause instanceof Error ? cause.message : String(cause));
    });
    const truths = new Set(nodes.filter((node) => makesTruth.has(node.op)).flatMap((node) => node.outputs));
    return new Map(
      [...results].map(([name, tensor]) => [name, truths.has(name) ? { ...tensor, dtype: 'bool' } : tensor]),
    );
  } finally {
    await session.release();
  }
}

/** Shapes of the graph's values for given inputs; values stay inside the runtime. */
export async function measureValueShapes(
  graph: GraphIr,
  feeds: ReadonlyMap<string, Tensor>,
  values: readonly string[],
): Promise<ReadonlyMap<string, readonly number[]>> {
  const shapeName = (value: string): string => `shape of ${value}`;
  const fed = new Map([...feeds].map(([name, { shape }]) => [name, shape]));
  const unknown = values.filter((value) => !fed.has(value));
  const nodes = unknown.map((value): IrNode => ({
    op: 'Shape',
    domain: '',
    name: shapeName(value),
    inputs: [value],
    outputs: [shapeName(value)],
    attributes: {},
  }));
  const found = await evaluate({ ...graph, nodes: [...graph.nodes, ...nodes] }, feeds, unknown.map(shapeName));
  const measured = unknown.flatMap((value): [string, readonly number[]][] => {
    const tensor = found.get(shapeName(value));
    return tensor === undefined ? [] : [[value, Array.from(tensor.data, Number)]];
  });
  return new Map([...fed, ...measured]);
}
