// A scope's checkpoint as named tensors and back, its digest, and the digest of the graph that it belongs to.
import { beforeAll, describe, expect, it } from 'vitest';
import { networkOf } from '../../../src/qat/network/network.ts';
import { int } from '../../../src/qat/onnx/ir.ts';
import type { GraphIr } from '../../../src/qat/onnx/ir.ts';
import {
  decodeCheckpoint,
  encodeCheckpoint,
  graphDigest,
  initialCheckpoint,
  LoadError,
  scopeDigest,
} from '../../../src/qat/quantize/checkpoint.ts';
import type { NamedTensors, QuantState, Range, ScopeCheckpoint } from '../../../src/qat/quantize/checkpoint.ts';
import { decodeSafetensors, encodeSafetensors } from '../../../src/support/safetensors.ts';
import { floatTensor } from '../../../src/support/tensor.ts';
import type { Digest } from '../../../src/support/digest.ts';
import { calibrate } from '../checkpoints.ts';
import { mixed, smallGraph, smallNetwork, w4a4, w8a8 } from '../networks.ts';

const network = smallNetwork();
let head: ScopeCheckpoint;

beforeAll(async () => {
  head = (await calibrate(network, w4a4)).get('detection') as ScopeCheckpoint;
});

const quantOf = (checkpoint: ScopeCheckpoint): QuantState => checkpoint.quant as QuantState;

describe('a checkpoint', () => {
  it('survives a safetensors file, float and quantised', async () => {
    const backbone = 'sha256:0' as Digest;
    for (const checkpoint of [
      initialCheckpoint(network, 'backbone'),
      head,
      { ...head, state: 'qat', backbone } as const,
      (await calibrate(network, mixed)).get('backbone') as ScopeCheckpoint,
    ]) {
      const read = decodeSafetensors(encodeSafetensors(encodeCheckpoint(checkpoint)));
      expect(read.ok && decodeCheckpoint(read.value)).toEqual(checkpoint);
    }
  });

  it('holds exactly its scope’s parameters, ranges and scales', () => {
    const names = [...encodeCheckpoint(head).tensors.keys()];
    expect(
      names.filter((name) => name.startsWith('parameter.')).every((name) => name.startsWith('parameter.detection.')),
    ).toBe(true);
    expect(names).toContain('activation.detection.hidden.relu.min');
    expect(names).toContain('weight.detection.out.weight.scale');
    expect(names.some((name) => name.includes('backbone'))).toBe(false);
  });

  it.each<readonly [string, (encoded: NamedTensors) => NamedTensors, RegExp]>([
    ['another format', ({ tensors }) => ({ tensors, metadata: {} }), /not a headgate checkpoint of version 2/],
    [
      'another version',
      ({ tensors, metadata }) => ({ tensors, metadata: { ...metadata, version: '1' } }),
      /version "1"/,
    ],
    [
      'an unknown state',
      ({ tensors, metadata }) => ({ tensors, metadata: { ...metadata, state: 'baked' } }),
      /not a headgate checkpoint/,
    ],
    [
      'a tensor of its own',
      ({ tensors, metadata }) => ({
        tensors: new Map([...tensors, ['extra', floatTensor([1], new Float32Array(1))]]),
        metadata,
      }),
      /tensor "extra" is no part/,
    ],
    [
      'an integer tensor',
      ({ tensors, metadata }) => ({
        tensors: new Map([...tensors, ['parameter.x', { dtype: 'int8', shape: [1], data: new Int8Array(1) }]]),
        metadata,
      }),
      /"parameter.x" is int8, not float32/,
    ],
    [
      'a range without its scale',
      ({ tensors, metadata }) => ({
        tensors: new Map([...tensors].filter(([name]) => name !== 'activation.detection.hidden.relu.scale')),
        metadata,
      }),
      /"detection.hidden.relu" lacks its min, max or scale/,
    ],
    [
      'a profile that is no JSON',
      ({ tensors, metadata }) => ({ tensors, metadata: { ...metadata, profile: '{' } }),
      /profile/,
    ],
  ])('is refused with %s', (_, damage, message) => {
    const damaged = damage(encodeCheckpoint(head));
    expect(() => decodeCheckpoint(damaged)).toThrow(LoadError);
    expect(() => decodeCheckpoint(damaged)).toThrow(message);
  });
});

describe('what was done to the weights of a checkpoint', () => {
  const ORDER = ['cross-layer-equalisation', 'bias-correction', 'batch-norm-folding'] as const;
  const decodedWith = (names: readonly unknown[]): ScopeCheckpoint => {
    const { tensors, metadata } = encodeCheckpoint(head);
    return decodeCheckpoint({ tensors, metadata: { ...metadata, transformations: JSON.stringify(names) } });
  };
  const pairs = ORDER.flatMap((first) => ORDER.map((second) => [first, second] as const));
  const isOrdered = ([first, second]: (typeof pairs)[number]): boolean => ORDER.indexOf(first) < ORDER.indexOf(second);

  it.each(pairs.filter(isOrdered))('is read in the order it is done in: %s, then %s', (...names) => {
    expect(decodedWith(names).transformations).toEqual(names);
  });

  it.each(pairs.filter((pair) => !isOrdered(pair) && pair[0] !== pair[1]))(
    'is refused with its reason in another order: %s before %s',
    (...names) => {
      const why = `went through ${names[0]} before ${names[1]}, which comes first: it (is|moves)`;
      expect(() => decodedWith(names)).toThrow(LoadError);
      expect(() => decodedWith(names)).toThrow(new RegExp(why));
    },
  );

  it.each(ORDER)('is refused when it was done twice: %s', (name) => {
    expect(() => decodedWith([name, name])).toThrow(`went through ${name} twice`);
    expect(() => decodedWith([...ORDER, name])).toThrow(`went through ${name} twice`);
  });

  it('is refused when it is not known', () => {
    for (const names of [['pruning'], [1]]) expect(() => decodedWith(names)).toThrow('in a way that is not known here');
  });
});

describe('the digest of a scope', () => {
  const withRange = (change: (range: Range) => Range): ScopeCheckpoint => ({
    ...head,
    quant: {
      ...quantOf(head),
      activations: new Map(
        [...quantOf(head).activations].map(([name, range], index) => [name, index === 0 ? change(range) : range]),
      ),
    },
  });
  const nextFloat = (value: number): number => {
    const bits = new Int32Array(Float32Array.of(value).buffer);
    bits[0] = (bits[0] as number) + 1;
    return new Float32Array(bits.buffer)[0] as number;
  };

  it('moves with one ulp of a weight, a scale or a minimum, and with the profile', () => {
    const weight = head.parameters.get('detection.out.weight');
    if (weight === undefined) throw new Error('no weight');
    const nudged = weight.data.slice();
    nudged[3] = nextFloat(nudged[3] as number);
    const variants: ScopeCheckpoint[] = [
      head,
      {
        ...head,
        parameters: new Map([...head.parameters, ['detection.out.weight', floatTensor(weight.shape, nudged)]]),
      },
      withRange((range) => ({ ...range, scale: nextFloat(range.scale) })),
      withRange((range) => ({ ...range, min: nextFloat(range.min) })),
      { ...head, quant: { ...quantOf(head), profile: w8a8 } },
    ];
    expect(new Set(variants.map(scopeDigest)).size).toBe(variants.length);
  });

  it('does not depend on the order in which tensors were added', () => {
    const reversed = { ...head, parameters: new Map([...head.parameters].reverse()) };
    expect(scopeDigest(reversed)).toBe(scopeDigest(head));
  });
});

describe('the digest of a graph', () => {
  const digestOf = (changed: GraphIr, scope: string) => graphDigest({ graph: changed, scopes: network.scopes }, scope);
  const graph = smallGraph();
  const altered = (output: string): GraphIr => ({
    ...graph,
    nodes: graph.nodes.map((node) =>
      node.outputs.includes(output) ? { ...node, attributes: { ...node.attributes, group: int(3) } } : node,
    ),
  });

  it('moves with structure and shapes, not with the parameters’ values', () => {
    const zeroed = new Map(
      [...graph.initializers].map(([name, tensor]) => [
        name,
        { ...tensor, data: tensor.data.slice().fill(0 as never) },
      ]),
    );
    expect(digestOf({ ...graph, initializers: zeroed }, 'backbone')).toBe(digestOf(graph, 'backbone'));
    expect(digestOf(altered('backbone.stem.conv'), 'backbone')).not.toBe(digestOf(graph, 'backbone'));
    const [name, tensor] = [...graph.initializers].find(([weight]) => weight === 'backbone.stem.weight') ?? [];
    if (name === undefined || tensor === undefined) throw new Error('no stem');
    const reshaped = new Map([...graph.initializers, [name, { ...tensor, shape: [...tensor.shape, 1] }]]);
    expect(digestOf({ ...graph, initializers: reshaped }, 'backbone')).not.toBe(digestOf(graph, 'backbone'));
  });

  it('moves with the scope and what it stands on, not with another head', () => {
    const head = altered('detection.hidden.conv');
    expect(digestOf(head, 'detection')).not.toBe(digestOf(graph, 'detection'));
    expect(digestOf(head, 'segmentation')).toBe(digestOf(graph, 'segmentation'));
    expect(digestOf(head, 'backbone')).toBe(digestOf(graph, 'backbone'));
    expect(digestOf(altered('backbone.stem.conv'), 'detection')).not.toBe(digestOf(graph, 'detection'));
  });

  it('is carried by every scope’s first checkpoint, which holds the model’s own parameters', () => {
    const float = initialCheckpoint(network, 'segmentation');
    expect(float).toMatchObject({ scope: 'segmentation', state: 'float', graph: graphDigest(network, 'segmentation') });
    expect([...float.parameters.keys()]).toEqual(
      network.parameters.filter(({ scope }) => scope === 'segmentation').map(({ name }) => name),
    );
  });

  it('refuses parameters that are not float32', () => {
    const graph = smallGraph();
    const half = new Map(
      [...graph.initializers].map(([name, tensor]) => [
        name,
        name === 'detection.out.bias' ? { ...tensor, dtype: 'float16' as const, data: new Uint16Array(3) } : tensor,
      ]),
    );
    expect(() => initialCheckpoint(networkOf({ ...graph, initializers: half }), 'detection')).toThrow(
      /"detection.out.bias" is float16/,
    );
  });
});
