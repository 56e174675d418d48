// Operators outside ONNX: those that the runtime has are float islands where a profile asks for it, those that it has not are
// refused by the node's name inside the heads and carried along behind them.
import { describe, expect, it } from 'vitest';
import { compareOutputs } from '../../../src/qat/freeze/compare.ts';
import { calibrate, differentiate, exportQdq, prepare, qatForward, validationForward } from '../../../src/qat/main.ts';
import type { GraphIr, Profile, Quantised, Tensor } from '../../../src/qat/main.ts';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { normaliseImported } from '../../../src/qat/onnx/normalise.ts';
import { runnablePart } from '../../../src/qat/onnx/unknown-operators.ts';
import { Random } from '../../../src/support/random.ts';
import { randomTensor, runGraph } from '../graphs.ts';

const SCOPES = { backbone: { boundary: ['features'] }, heads: { head: { outputs: ['out'] } } };
const MICROSOFT = { op: 'QuickGelu', domain: 'com.microsoft' };
const PLUGIN = { op: 'EfficientNMS_TRT', domain: 'TRT' };
const w8a8 = (floatIslands: readonly string[] = []): Profile => ({
  weights: { bits: 8 },
  activations: { bits: 8, unsignedAfterRelu: false },
  ...(floatIslands.length === 0 ? {} : { floatIslands }),
});

interface Custom {
  readonly op: string;
  readonly domain: string;
}

/** Conv, Relu | `inside`, Conv | `behind`. */
function graphWith(
  more: { readonly inside?: Custom; readonly behind?: Custom },
  batch: number | string = 'N',
): GraphIr {
  const b = new GraphBuilder('m');
  const random = new Random(7);
  const weight = (name: string, shape: readonly number[]): string => {
    b.initializers.set(name, randomTensor(random, shape, 0.4));
    return name;
  };
  const { inside, behind } = more;
  b.emit('Conv', ['image', weight('stem', [4, 3, 1, 1])], {}, { outputs: ['stem.out'] });
  b.emit('Relu', ['stem.out'], {}, { outputs: ['features'] });
  const island =
    inside === undefined
      ? 'features'
      : b.emit(inside.op, ['features'], {}, { outputs: ['made'], domain: inside.domain });
  b.emit('Conv', [island, weight('last', [2, 4, 1, 1])], {}, { outputs: ['out'] });
  if (behind !== undefined) {
    const flat = b.emit('Reshape', ['out', b.int64([1, 2, 64])]);
    b.emit(behind.op, [flat], {}, { outputs: ['boxes'], domain: behind.domain });
  }
  return b.finish({
    name: 'g',
    opset: 18,
    inputs: [{ name: 'image', dtype: 'float32', shape: [batch, 3, 8, 8] }],
    outputs: [{ name: behind === undefined ? 'out' : 'boxes', dtype: 'float32' }],
  });
}

const image = randomTensor(new Random(8), [2, 3, 8, 8]);

async function quantised(graph: GraphIr, profile: Profile): Promise<Quantised> {
  return calibrate(await prepare(graph, { scopes: SCOPES, profile }), [image]);
}

describe('an operator that the table does not know', () => {
  it('is refused with the word that makes it an island', async () => {
    await expect(prepare(graphWith({ inside: MICROSOFT }), { scopes: SCOPES, profile: w8a8() })).rejects.toThrow(
      /after operator com\.microsoft\.QuickGelu \("made"\).* add "com\.microsoft\.QuickGelu" to the profile's floatIslands/,
    );
  });

  it.each(['com.microsoft.QuickGelu', 'made'])(
    'is computed in float where it is asked for by "%s", and what a layer reads of it lies on a grid again',
    async (island) => {
      const model = await quantised(graphWith({ inside: MICROSOFT }), w8a8([island]));
      const { graph, scales } = await exportQdq(model);
      expect(scales.map(({ tensor }) => tensor)).toEqual(expect.arrayContaining(['features', 'made', 'last']));
      const at = graph.nodes.findIndex(({ op }) => op === 'QuickGelu');
      expect(graph.nodes[at - 1]?.op).toBe('DequantizeLinear');
      expect(graph.nodes[at + 1]?.op).toBe('QuantizeLinear');
      expect(graph.nodes[at + 1]?.inputs[0]).toBe(graph.nodes[at]?.outputs[0]);
      const feeds = new Map<string, Tensor>([['image', image]]);
      const forward = (await runGraph(validationForward(model, { batch: 2 }), feeds)).get('out.out') as Tensor;
      const file = (await runGraph(graph, feeds)).get('out') as Tensor;
      expect(compareOutputs(new Map([['out', forward]]), new Map([['out', file]])).differences).toEqual([]);
    },
  );

  it('may stand before what is trained, and is refused by its own name between that and the loss', async () => {
    const model = await quantised(graphWith({ inside: MICROSOFT }), w8a8(['com.microsoft.QuickGelu']));
    const forward = qatForward(model, { batch: 2, outputs: ['out'] });
    const trained = await differentiate(forward, { wanted: ['last'] });
    expect(trained.outputs.map(({ name }) => name)).toContain('gradient.last');
    await expect(differentiate(forward, { wanted: ['stem'] })).rejects.toThrow(
      /node "n\d+_QuickGelu" \(com\.microsoft\.QuickGelu\) lies between a trained parameter and the loss/,
    );
  });
});

describe('an operator that the runtime does not have', () => {
  it('is refused inside a head by the node’s name, island or not', async () => {
    for (const profile of [w8a8(), w8a8(['TRT.EfficientNMS_TRT'])])
      await expect(prepare(graphWith({ inside: PLUGIN }), { scopes: SCOPES, profile })).rejects.toThrow(
        /node "n\d+_EfficientNMS_TRT" \(TRT\.EfficientNMS_TRT\): onnxruntime, .* has no such operator/,
      );
  });

  it.each(['N', 1])('is carried along behind the heads, for a batch of %s', async (batch) => {
    const graph = graphWith({ behind: PLUGIN }, batch);
    const normalised = await normaliseImported(graph);
    expect(normalised.nodes.at(-1)).toMatchObject(PLUGIN);
    const { graph: exported } = await exportQdq(await quantised(graph, w8a8()));
    expect(exported.nodes.filter(({ op }) => op === PLUGIN.op)).toHaveLength(1);
    expect(exported.outputs.map(({ name }) => name)).toEqual(['out', 'boxes']);
    const part = await runnablePart(exported);
    expect(part.nodes.some(({ op }) => op === PLUGIN.op)).toBe(false);
    expect(part.outputs.map(({ name }) => name)).not.toContain('boxes');
  });

  it('is not looked for where all operators are ONNX’s or the runtime’s own', async () => {
    for (const graph of [graphWith({}), graphWith({ inside: MICROSOFT })])
      expect(await runnablePart(graph)).toBe(graph);
  });
});
