// What exported files share besides quantisers: the image input, the heads' outputs, and the float nodes after them that give
// the model's own outputs (in-graph post-processing).
import type { GraphBuilder } from '../onnx/builder.ts';
import { ints, text, textOf } from '../onnx/ir.ts';
import type { IrNode, ValueInfo } from '../onnx/ir.ts';
import { FILE_LAYOUT_KEY } from '../onnx/channels-first.ts';
import { scopeMetadata } from '../network/network.ts';
import type { Network } from '../network/network.ts';

/** Emits the tail, and every exported output under its own name. @param actual the value that carries a value of the float graph. */
export function emitTail(b: GraphBuilder, network: Network, actual: (value: string) => string, opset: number): void {
  const made = new Map<string, string>();
  const carried = (value: string): string => made.get(value) ?? actual(value);
  for (const node of network.tail) {
    const inputs = node.inputs.map((input) => {
      const tensor = network.graph.initializers.get(input);
      return tensor === undefined || input === '' ? carried(input) : b.constant(tensor);
    });
    const { op, domain, attributes } = nodeForOpset(node, opset);
    const values = b.emitAll(op, inputs, attributes, { outputs: node.outputs.length, domain });
    node.outputs.forEach((name, index) => made.set(name, values[index] as string));
  }
  for (const { name } of outputNames(network)) b.emit('Identity', [carried(name)], {}, { outputs: [name] });
}

/** In the layout that the model's file had. */
export function exportedInputs({ input }: Network): readonly ValueInfo[] {
  const [c, h, w] = input.shape;
  return [{ name: input.name, dtype: 'float32', shape: input.fileLayout === 'NHWC' ? ['N', h, w, c] : ['N', c, h, w] }];
}

/** The value that carries the image as [N, C, H, W]. */
export function emitImage(b: GraphBuilder, { input }: Network): string {
  return input.fileLayout === 'NHWC' ? b.emit('Transpose', [input.name], { perm: ints([0, 3, 1, 2]) }) : input.name;
}

/** What an exported file says of itself. */
export function exportedMetadata(network: Network): { readonly [key: string]: string } {
  const layout = network.input.fileLayout === 'NHWC' ? { [FILE_LAYOUT_KEY]: 'NHWC' } : {};
  return { ...scopeMetadata(network.scopes), ...layout };
}

/** @param shapes of head outputs without the batch. */
export function exportedOutputs(
  network: Network,
  shapes: ReadonlyMap<string, readonly number[]>,
): readonly ValueInfo[] {
  return outputNames(network).map(
    ({ name, own }) => own ?? { name, dtype: 'float32', shape: ['N', ...(shapes.get(name) ?? [])] },
  );
}

/** Head outputs first; then those outputs of the model that the tail makes, as the model declares them. */
function outputNames(network: Network): readonly { readonly name: string; readonly own?: ValueInfo }[] {
  const heads = Object.values(network.scopes.heads).flatMap((head) => head.outputs);
  const tail = new Set(network.tail.flatMap((node) => node.outputs));
  const own = network.graph.outputs.filter(({ name }) => tail.has(name) && !heads.includes(name));
  return [...heads.map((name) => ({ name })), ...own.map((info) => ({ name: info.name, own: info }))];
}

const newerModes: { readonly [mode: string]: string } = { bilinear: 'linear', bicubic: 'cubic' };

/** Nodes are held as opset 18 has them; GridSample's modes have other names from 20 on. */
export function nodeForOpset(node: IrNode, opset: number): Pick<IrNode, 'op' | 'domain' | 'attributes'> {
  if (opset < 20 || node.op !== 'GridSample' || node.domain !== '') return node;
  const mode = textOf(node, 'mode', 'bilinear');
  return { ...node, attributes: { ...node.attributes, mode: text(newerModes[mode] ?? mode) } };
}
