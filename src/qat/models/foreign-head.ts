// A head from elsewhere: a graph of its own whose inputs are boundary tensors. Its inputs are tied to those of a backbone,
// everything else gets names of its own. Not for the spelling of its operators, which normaliseImported brought to one form.
import type { HeadGraph } from '../network/add-head.ts';
import { NetworkError } from '../network/network-error.ts';
import type { GraphIr, IrNode, IrTensor } from '../onnx/ir.ts';

/** Boundary tensor → [C, H, W]. */
export type BoundaryShapes = ReadonlyMap<string, readonly number[]>;

/**
 * The boundary tensor for each input of the file, and the file with the shapes that these have.
 * @param renamed input of the file → boundary tensor, where the names differ.
 * @throws NetworkError naming the input that no boundary tensor fits.
 */
export function tieInputs(
  file: GraphIr,
  name: string,
  renamed: { readonly [input: string]: string },
  boundary: BoundaryShapes,
): { readonly graph: GraphIr; readonly ties: ReadonlyMap<string, string> } {
  const has = `the backbone has ${[...boundary].map(([value, shape]) => `"${value}" [${shape.join(', ')}]`).join(', ')}`;
  const unknown = Object.keys(renamed).find((input) => !file.inputs.some((declared) => declared.name === input));
  if (unknown !== undefined)
    throw new NetworkError(
      `the file of head "${name}" has no input "${unknown}" (it has ${file.inputs.map((input) => `"${input.name}"`).join(', ')})`,
      "Name inputs of the file in the head's `inputs`.",
    );
  const ties = new Map<string, string>();
  const inputs = file.inputs.map((input) => {
    const value = renamed[input.name] ?? input.name;
    const shape = boundary.get(value);
    if (shape === undefined)
      throw new NetworkError(
        `input "${input.name}" of head "${name}" is no boundary tensor; ${has}`,
        "Tie it to a boundary tensor in the head's `inputs`.",
      );
    const declared = input.shape ?? ['N', ...shape];
    const fits =
      declared.length === shape.length + 1 &&
      shape.every((size, axis) => typeof declared[axis + 1] === 'string' || declared[axis + 1] === size);
    if (!fits)
      throw new NetworkError(
        `input "${input.name}" of head "${name}" is [${declared.join(', ')}]; ${has}`,
        'Export the head with the shape of the boundary tensor it reads.',
      );
    ties.set(input.name, value);
    return { ...input, shape: [declared[0] ?? 'N', ...shape] };
  });
  return { graph: { ...file, inputs }, ties };
}

/**
 * Every name of the file but its inputs' begins with the head's: `<head>/<name>`.
 * @param outputs by their names in the file; left out: all that it gives.
 * @throws NetworkError for an output that the file does not give.
 */
export function foreignHead(
  file: GraphIr,
  name: string,
  ties: ReadonlyMap<string, string>,
  outputs: readonly string[] = file.outputs.map((output) => output.name),
): HeadGraph {
  const own = (value: string): string => (value === '' ? '' : (ties.get(value) ?? `${name}/${value}`));
  const given = outputs.map((wanted) => {
    const output = file.outputs.find((declared) => declared.name === wanted);
    if (output !== undefined) return { ...output, name: own(wanted) };
    const has = file.outputs.map((declared) => `"${declared.name}"`).join(', ');
    throw new NetworkError(
      `the file of head "${name}" gives no output "${wanted}" (it gives ${has})`,
      "Name outputs of the file in the head's `outputs`.",
    );
  });
  return {
    nodes: file.nodes.map((node): IrNode => ({
      ...node,
      name: `${name}/${node.name}`,
      inputs: node.inputs.map(own),
      outputs: node.outputs.map(own),
    })),
    initializers: new Map([...file.initializers].map(([value, tensor]): [string, IrTensor] => [own(value), tensor])),
    outputs: given,
  };
}
