// The float model as vendors' compilers take it together with an encodings file: batch norm folded, so that the weights are
// those that the encodings are for; values and weights under their own names, no quantisers.
import { GraphBuilder } from '../onnx/builder.ts';
import type { GraphIr, IrNode } from '../onnx/ir.ts';
import { emitLinear } from '../network/emit-layer.ts';
import { foldLayer } from '../network/fold.ts';
import type { Parameters } from '../network/fold.ts';
import type { LayerUnit, Network } from '../network/network.ts';
import { KERNEL_OPSET } from '../onnx/upgrade.ts';
import { emitImage, exportedInputs, exportedMetadata, exportedOutputs } from './tail.ts';

/** @param parameters of every scope. @param outputShapes [C, H, W] of every head output. */
export function exportFloat(
  network: Network,
  parameters: Parameters,
  outputShapes: ReadonlyMap<string, readonly number[]>,
): GraphIr {
  const b = new GraphBuilder('h');
  const image = emitImage(b, network);
  const actual = (value: string): string => (value === network.input.name ? image : value);
  const operand = (name: string): string => {
    const tensor = parameters.get(name) ?? network.graph.initializers.get(name);
    if (name === '' || tensor === undefined) return actual(name);
    b.initializers.set(name, tensor);
    return name;
  };
  const copy = (nodes: readonly IrNode[]): void => {
    for (const { op, inputs, outputs, attributes, domain } of nodes)
      b.emitAll(op, inputs.map(operand), attributes, { outputs, domain });
  };
  for (const unit of network.units) {
    if (unit.kind === 'plain') copy(unit.nodes);
    else {
      layer(b, unit, parameters, actual(unit.input));
      copy(unit.activation?.nodes ?? []);
    }
  }
  copy(network.tail);
  return b.finish({
    name: network.graph.name,
    opset: KERNEL_OPSET,
    domainVersions: network.graph.domainVersions,
    inputs: exportedInputs(network),
    outputs: exportedOutputs(network, outputShapes),
    metadata: exportedMetadata(network),
  });
}

function layer(b: GraphBuilder, unit: LayerUnit, parameters: Parameters, input: string): void {
  const { weight, bias } = foldLayer(unit, parameters);
  const biasName = unit.bias ?? `${unit.weight}.folded_bias`;
  b.initializers.set(unit.weight, weight);
  b.initializers.set(biasName, bias);
  emitLinear(b, unit, { input, weight: unit.weight, bias: biasName }, unit.linear);
}
