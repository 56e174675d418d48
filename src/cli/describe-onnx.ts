// What an ONNX file holds, for `inspect`. The codec is the kernel's; it is loaded only when a file may be a model.
import { readFile } from 'node:fs/promises';
import type { ValueInfo } from '../qat/onnx/ir.ts';
import { byCodeUnit } from '../support/canonical-json.ts';
import type { Json, JsonObject } from '../support/json.ts';

/** Undefined when the file is no ONNX model that the codec reads. */
export async function describeOnnx(path: string): Promise<JsonObject | undefined> {
  const { decodeModel, initializerBytes } = await import('../qat/onnx/codec.ts');
  try {
    const graph = decodeModel(await readFile(path));
    const operators = new Map<string, number>();
    for (const { op } of graph.nodes) operators.set(op, (operators.get(op) ?? 0) + 1);
    return {
      name: graph.name,
      opset: graph.opset,
      inputs: graph.inputs.map(valueText),
      outputs: graph.outputs.map(valueText),
      // What a boundary can be named by; remedies of refused models point here.
      tensors: graph.nodes.flatMap(({ outputs }) => outputs.filter((name) => name !== '')),
      operators: Object.fromEntries([...operators].sort(([left], [right]) => byCodeUnit(left, right))),
      initializers: graph.initializers.size,
      initializerBytes: initializerBytes(graph),
      metadata: Object.fromEntries(Object.entries(graph.metadata).map(([key, text]) => [key, jsonOrText(text)])),
    };
  } catch {
    return undefined; // the codec's own error, or protobufjs's on bytes that are no message at all
  }
}

function valueText({ name, dtype, shape }: ValueInfo): string {
  return `${name}: ${dtype} ${shape === undefined ? 'of unknown rank' : `[${shape.join(', ')}]`}`;
}

function jsonOrText(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}
