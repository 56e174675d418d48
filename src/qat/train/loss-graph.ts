// A loss that a user wrote as an ONNX graph: head outputs and the target in, one scalar out. Its nodes are put behind the
// network's and differentiated by the same rules. Here it is checked and joined; reading the file is the caller's.
import { OnnxError } from '../onnx/codec.ts';
import { spellAlike } from '../onnx/normalise.ts';
import type { GraphIr } from '../onnx/ir.ts';
import { elementCount } from '../../support/tensor.ts';
import type { ForwardEmitter } from './forward.ts';

/** A graph that `checkLossGraph` has passed. */
export interface LossGraph {
  readonly graph: GraphIr;
}

/** The input of a loss graph that is fed with the task's target, and the one that is the task's output. */
const TARGET = 'target';
const OUTPUT = 'output';

/**
 * @param outputs other outputs of the head that the graph may read by their names in the model.
 * @throws OnnxError saying what a loss must be and this graph is not.
 */
export async function checkLossGraph(decoded: GraphIr, outputs: readonly string[]): Promise<LossGraph> {
  const graph = await spellAlike(decoded);
  const inputs = graph.inputs.filter(({ name }) => !graph.initializers.has(name)).map(({ name }) => name);
  const known = [OUTPUT, TARGET, ...outputs];
  const strange = inputs.find((name) => !known.includes(name));
  if (strange !== undefined) {
    throw new OnnxError(
      `the loss has an input "${strange}"; it can be given ${known.map((name) => `"${name}"`).join(', ')}`,
    );
  }
  const reads = inputs.some((name) => name !== TARGET);
  if (!reads) throw new OnnxError('the loss reads no output of the head: name its input "output"');
  const [result, ...more] = graph.outputs;
  if (result === undefined || more.length > 0)
    throw new OnnxError(`the loss has ${graph.outputs.length} outputs; one is needed`);
  const { dtype, shape } = result;
  const single = shape === undefined || elementCount(shape.map((size) => (typeof size === 'number' ? size : 2))) === 1;
  if (dtype !== 'float32' || !single) {
    throw new OnnxError(`the loss gives ${dtype} [${(shape ?? []).join(', ')}]; a float32 scalar is needed`);
  }
  return { graph };
}

/** @returns the scalar. */
export function emitLossGraph(emitter: ForwardEmitter, { graph }: LossGraph, output: string, target: string): string {
  const names = new Map<string, string>([
    [TARGET, target],
    [OUTPUT, emitter.actual(output)],
  ]);
  for (const [name, tensor] of graph.initializers) names.set(name, emitter.b.constant(tensor, 'loss'));
  const read = (name: string): string => (name === '' ? '' : (names.get(name) ?? emitter.actual(name)));
  for (const { op, domain, name: modelName, inputs, outputs, attributes } of graph.nodes) {
    const options = { outputs: outputs.length, domain, modelName, fromModel: true };
    const made = emitter.emitAll(op, inputs.map(read), attributes, options);
    for (const [index, name] of outputs.entries()) names.set(name, made[index] as string);
  }
  const value = read((graph.outputs[0] as { readonly name: string }).name);
  return emitter.emit('Reshape', [value, emitter.b.int64([])]);
}
