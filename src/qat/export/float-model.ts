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
  const folded = new Set(
    network.units.flatMap((unit) => (unit.kind === 'layer' ? [unit.weight, unit.bias ?? ''] : [])),
  );
  const operand = (name: string): string => {
    const tensor = parameters.get(name) ?? network.graph.initializers.get(name);
    if (name === '' || tensor === undefined) return actual(name);
    // What a layer reads folded stands under its own name for the layer, since that is what encodings are for.
    const own = folded.has(name) ? `${name}.unfolded` : name;
    b.initializers.set(own, tensor);
    return own;
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
  b.initializers.set(unit.quantiser, weight);
  const biasName = unit.bias ?? `${unit.quantiser}.folded_bias`;
  // Layers that share a weight, a bias or a batch norm need not share what is folded.
  const ownBias = b.initializers.has(biasName) ? `${biasName}@${unit.linear}` : biasName;
  b.initializers.set(ownBias, bias);
  emitLinear(b, unit, { input, weight: unit.quantiser, bias: ownBias }, unit.linear);
}
