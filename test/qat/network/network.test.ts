// A float graph seen as backbone and heads: scopes, units, parameters, and a sentence for every graph that does not divide.
import { describe, expect, it } from 'vitest';
import {
  BACKBONE,
  headNames,
  NetworkError,
  networkOf,
  recogniseNetwork,
  scopeMetadata,
} from '../../../src/qat/network/network.ts';
import type { LayerUnit, Network, ScopeNames } from '../../../src/qat/network/network.ts';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { float } from '../../../src/qat/onnx/ir.ts';
import type { GraphIr, IrNode } from '../../../src/qat/onnx/ir.ts';
import { BOUNDARY, smallGraph, smallNetwork } from '../networks.ts';

const SCOPES: ScopeNames = {
  backbone: { boundary: ['feature'] },
  heads: { a: { outputs: ['a.out'] }, b: { outputs: ['b.out'] } },
};

/** image → Conv → BatchNormalization → Relu = feature → one Conv per head. */
function tinyGraph(change: (b: GraphBuilder) => void = () => undefined): GraphIr {
  const b = new GraphBuilder();
  const weight = (name: string, shape: readonly number[]): string => {
    b.initializers.set(name, { dtype: 'float32', shape, data: new Float32Array(shape.reduce((x, y) => x * y, 1)) });
    return name;
  };
  b.emit('Conv', ['image', weight('w', [2, 3, 1, 1])], {}, { outputs: ['conv'] });
  const statistics = ['gamma', 'beta', 'mean', 'variance'].map((name) => weight(name, [2]));
  b.emit('BatchNormalization', ['conv', ...statistics], { epsilon: float(1e-5) }, { outputs: ['norm'] });
  b.emit('Relu', ['norm'], {}, { outputs: ['feature'] });
  b.emit('Conv', ['feature', weight('a.w', [1, 2, 1, 1]), weight('a.b', [1])], {}, { outputs: ['a.out'] });
  b.emit('Conv', ['feature', weight('b.w', [1, 2, 1, 1])], {}, { outputs: ['b.out'] });
  change(b);
  return b.finish({
    name: 'tiny',
    opset: 18,
    inputs: [{ name: 'image', dtype: 'float32', shape: ['N', 3, 8, 8] }],
    outputs: [
      { name: 'a.out', dtype: 'float32' },
      { name: 'b.out', dtype: 'float32' },
    ],
  });
}

const layersOf = (network: Network): readonly LayerUnit[] => network.units.filter((unit) => unit.kind === 'layer');

describe('recognising a network', () => {
  it('gives every node up to the boundary to the backbone, and the rest to the heads', () => {
    const network = recogniseNetwork(tinyGraph(), SCOPES);
    expect(network.units.map(({ scope, output }) => [scope, output])).toEqual([
      [BACKBONE, 'feature'],
      ['a', 'a.out'],
      ['b', 'b.out'],
    ]);
    expect(network.input).toEqual({ name: 'image', shape: [3, 8, 8], fileLayout: 'NCHW' });
    expect(headNames(network)).toEqual(['a', 'b']);
  });

  it('fuses a convolution with its batch norm and Relu, and an Add with its Relu', () => {
    const network = smallNetwork();
    const stem = layersOf(network)[0];
    expect([stem?.node.op, stem?.norm?.op, stem?.activation?.op]).toEqual(['Conv', 'BatchNormalization', 'Relu']);
    const sum = network.units.find((unit) => unit.output === 'backbone.merged.relu');
    expect(sum?.kind === 'plain' ? sum.nodes.map((node) => node.op) : []).toEqual(['Add', 'Relu']);
  });

  it('does not fuse across a boundary tensor, nor where a value is read twice', () => {
    const atNorm = recogniseNetwork(tinyGraph(), { ...SCOPES, backbone: { boundary: ['norm', 'feature'] } });
    expect(atNorm.units.filter((unit) => unit.scope === BACKBONE).map((unit) => unit.output)).toEqual([
      'norm',
      'feature',
    ]);
    const readTwice = tinyGraph((b) => {
      b.emit('Add', ['norm', 'feature'], {}, { outputs: ['both'] });
    });
    const network = recogniseNetwork(readTwice, { ...SCOPES, backbone: { boundary: ['feature', 'both'] } });
    expect(network.units.filter((unit) => unit.scope === BACKBONE).map((unit) => unit.output)).toEqual([
      'norm',
      'feature',
      'both',
    ]);
  });

  it('lists every parameter with its scope and role', () => {
    const { parameters } = recogniseNetwork(tinyGraph(), SCOPES);
    expect(parameters.map(({ name, scope, role }) => [name, scope, role])).toEqual([
      ['w', BACKBONE, 'weight'],
      ['gamma', BACKBONE, 'gamma'],
      ['beta', BACKBONE, 'beta'],
      ['mean', BACKBONE, 'mean'],
      ['variance', BACKBONE, 'variance'],
      ['a.w', 'a', 'weight'],
      ['a.b', 'a', 'bias'],
      ['b.w', 'b', 'weight'],
    ]);
  });

  it('leaves out nodes that reach no named output', () => {
    const graph = tinyGraph((b) => {
      b.emit('Relu', ['a.out'], {}, { outputs: ['unused'] });
    });
    expect(recogniseNetwork(graph, SCOPES).units.map((unit) => unit.output)).not.toContain('unused');
  });

  it('reads the scopes that the model carries', () => {
    const network = networkOf({ ...tinyGraph(), metadata: scopeMetadata(SCOPES) });
    expect(network.scopes).toEqual(SCOPES);
    expect(smallNetwork().scopes.backbone.boundary).toEqual([...BOUNDARY]);
  });
});

describe('refusing a network', () => {
  const without = (graph: GraphIr, op: string): readonly IrNode[] => graph.nodes.filter((node) => node.op !== op);

  it.each<readonly [string, () => unknown, RegExp]>([
    ['without scopes', () => networkOf(tinyGraph()), /names no scopes \(metadata "headgate.scopes"\)/],
    [
      'whose scopes are no JSON',
      () => networkOf({ ...tinyGraph(), metadata: { 'headgate.scopes': '{' } }),
      /"headgate.scopes".*not/,
    ],
    [
      'whose scopes have another form',
      () => networkOf({ ...tinyGraph(), metadata: { 'headgate.scopes': '{"heads":[]}' } }),
      /"headgate.scopes".*not/,
    ],
    [
      'with two inputs',
      () => recogniseNetwork({ ...tinyGraph(), inputs: [...tinyGraph().inputs, ...tinyGraph().inputs] }, SCOPES),
      /2 inputs/,
    ],
    ['without an input', () => recogniseNetwork({ ...tinyGraph(), inputs: [] }, SCOPES), /0 inputs/],
    [
      'whose input size is not fixed',
      () =>
        recogniseNetwork(
          { ...tinyGraph(), inputs: [{ name: 'image', dtype: 'float32', shape: ['N', 3, 'h', 'w'] }] },
          SCOPES,
        ),
      /input "image" has shape \[N, 3, h, w\]; \[N, C, H, W\] with fixed C, H, W is needed/,
    ],
    [
      'without the boundary tensor',
      () => recogniseNetwork({ ...tinyGraph(), nodes: without(tinyGraph(), 'Relu') }, SCOPES),
      /boundary tensor "feature" is not a tensor of the model/,
    ],
    [
      'without a head’s output',
      () => recogniseNetwork(tinyGraph(), { ...SCOPES, heads: { c: { outputs: ['c.out'] } } }),
      /output of head "c" "c.out" is not a tensor/,
    ],
    [
      'whose heads share a node',
      () =>
        recogniseNetwork(
          tinyGraph((b) => {
            b.emit('Relu', ['feature'], {}, { outputs: ['shared'] });
            b.emit('Relu', ['shared'], {}, { outputs: ['c.out'] });
            b.emit('Relu', ['shared'], {}, { outputs: ['d.out'] });
          }),
          { ...SCOPES, heads: { c: { outputs: ['c.out'] }, d: { outputs: ['d.out'] } } },
        ),
      /node "n5_Relu" \(Relu\) is reached by heads "c" and "d"; move the boundary after it/,
    ],
    [
      'whose head reads inside the backbone',
      () =>
        recogniseNetwork(
          tinyGraph((b) => {
            b.emit('Relu', ['norm'], {}, { outputs: ['c.out'] });
          }),
          { ...SCOPES, heads: { c: { outputs: ['c.out'] } } },
        ),
      /head "c" reads "norm" from inside the backbone; name it as a boundary tensor/,
    ],
    [
      'whose scopes share a parameter',
      () =>
        recogniseNetwork(
          tinyGraph((b) => {
            b.emit('Conv', ['feature', 'a.w'], {}, { outputs: ['c.out'] });
          }),
          { ...SCOPES, heads: { a: { outputs: ['a.out'] }, c: { outputs: ['c.out'] } } },
        ),
      /parameter "a.w" is shared by scopes "a" and "c"/,
    ],
  ])('%s', (_, recognise, message) => {
    expect(recognise).toThrow(NetworkError);
    expect(recognise).toThrow(message);
  });

  it('keeps a graph that it recognised as it was', () => {
    const graph = smallGraph();
    expect(networkOf(graph).graph).toBe(graph);
  });
});
