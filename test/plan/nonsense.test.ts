// Settings that cannot be meant are refused while planning, where everything that is needed is known; what is hardly meant, and
// has a use, is a warning beside a plan that can run. The words are in the fixtures.
import { mkdtempSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadWorkflow } from '../../src/plan/load-workflow.ts';
import { targetTables } from '../../src/qat/quantize/targets/tables.ts';
import { targetFormats } from '../../src/stages/target-formats.ts';
import { codesOf, planOf } from './plan-of.ts';

const detection = {
  data: { train: 'scenes.train', gate: 'scenes.gate', calibration: 'scenes.train' },
  target: 'boxes',
  stride: 4,
  loss: { kind: 'focal-heatmap' },
  metric: { kind: 'centre-map', distance: 5 },
};
const scenes = { kind: 'dataset', with: { source: { kind: 'fashion-scenes', counts: { train: 8, gate: 8 } } } };
const net = (classes = 10) => ({
  kind: 'model',
  with: {
    architecture: 'depthwise-separable',
    input: [1, 64, 64],
    width: 4,
    heads: { detection: { kind: 'heatmap', classes, stride: 4 } },
  },
});
const measured = (settings: object = {}) => ({
  kind: 'validate',
  task: 'detection',
  inputs: { backbone: 'train.backbone', head: 'train.head' },
  with: { quantized: [], ...settings },
});

function workflow(criterion: object, task: object = {}, more: object = {}): object {
  return {
    name: 'nonsense',
    tasks: { detection: { ...detection, ...task } },
    model: { from: 'net.model' },
    stages: {
      scenes,
      net: net(),
      train: {
        kind: 'train',
        task: 'detection',
        with: { train: ['backbone', 'head'], training: { epochs: 1, learningRate: 0.01 } },
      },
      float: measured(),
      own: measured({ batch: 16 }),
      gate: {
        kind: 'gate',
        inputs: { metrics: 'own.metrics', reference: 'float.metrics' },
        cases: [
          { name: 'pass', criteria: [{ metric: 'primary', ...criterion }] },
          { name: 'fail', else: true },
        ],
      },
      ...more,
    },
  };
}

const plain = { percentOfReference: 99 };

describe('a bound of a criterion', () => {
  it.each([
    [{ percentOfReference: 0.99 }, ['HG1440']],
    [{ percentOfReference: 1.01 }, ['HG1440']],
    [{ percentOfReference: 9900 }, ['HG1440']],
    [{ minImprovementPercent: 5000 }, ['HG1440']],
    [{ maxDegradationPercent: 9900 }, ['HG1440', 'HG1445']],
    [{ atLeast: 40 }, ['HG1445']],
    [{ maxDegradation: 3 }, ['HG1445']],
    [{ minImprovement: 2 }, ['HG1445']],
    [{ maxDegradationPercent: 150 }, ['HG1445']],
    [{ atMost: 0.5 }, ['HG1444']],
    [{ atLeast: 0.5, confidence: 0.9999 }, ['HG1446']],
    [{ metric: 'f1', atLeast: 0.5 }, ['HG1442']],
    [{ metric: 'mAP@5', atLeast: 0.5 }, ['HG1442']],
  ])('%j of a mean average precision gives %j', (criterion, codes) => {
    // What the number alone shows is told first, the rest when that is mended.
    expect(codesOf(workflow(criterion))).toEqual(codes.slice(0, 1));
  });

  it.each([{ percentOfReference: 1000 }, { percentOfReference: 1 }, { atLeast: 0 }, { atLeast: 1 }, plain])(
    '%j can be meant: it forces a branch, or asks for something',
    (criterion) => {
      expect(codesOf(workflow(criterion))).toEqual([]);
    },
  );

  it('that is hardly meant but has a use is a warning with its place', () => {
    const of = (criterion: object) =>
      (planOf(workflow(criterion)).warnings ?? []).map(({ code, line }) => [code, line > 1]);
    expect(of({ percentOfReference: 1 })).toEqual([['HG1441', true]]);
    expect(of({ maxDegradationPercent: 0.03 })).toEqual([['HG1441', true]]);
    expect(of(plain)).toEqual([]);
  });

  it('is not judged where a program measures, whose metrics nobody knows yet', () => {
    const program = { kind: 'command', with: { argv: ['true'], outputs: { metrics: { type: 'metrics', path: 'm' } } } };
    expect(codesOf(workflow({ metric: 'speed', atLeast: 40 }, {}, { own: program, float: program }))).toEqual([]);
  });

  it('with a confidence needs replicates that were drawn alike, from the same split', () => {
    const sure = { percentOfReference: 99, confidence: 0.95 };
    expect(codesOf(workflow(sure))).toEqual([]);
    expect(codesOf(workflow(sure, {}, { own: measured({ split: 'train' }) }))).toEqual(['HG1447']);
    expect(codesOf(workflow(sure, {}, { own: measured({ bootstrap: { seed: 7 } }) }))).toEqual(['HG1447']);
    expect(codesOf(workflow(sure, {}, { own: measured({ bootstrap: { count: 0 } }) }))).toContain('HG1446');
  });

  it('of a choice between candidates must be measured too', () => {
    const best = {
      kind: 'best',
      inputs: { metrics: { collect: { a: 'own.metrics', b: 'float.metrics' } } },
      with: { metric: 'mIoU' },
    };
    expect(codesOf(workflow(plain, {}, { best }))).toEqual(['HG1316']);
  });
});

describe('a task', () => {
  it('must have its head in the model, and as many classes as its head and its target', () => {
    expect(codesOf(workflow(plain, { head: 'other' }))).toEqual(['HG1801']);
    expect(codesOf(workflow(plain, { classes: 11 }))).toEqual(['HG1804', 'HG1804']);
    expect(codesOf(workflow(plain, {}, { net: net(7) }))).toEqual([]);
    expect(codesOf(workflow(plain, { classes: 10 }, { net: net(7) }))).toEqual(['HG1804']);
  });

  it('must learn a target that its data set has, of a kind that its loss and metric compare with', () => {
    expect(codesOf(workflow(plain, { target: 'box' }))).toEqual(['HG1802']);
    expect(codesOf(workflow(plain, { target: 'mask' }))).toEqual(['HG1803', 'HG1803']);
  });

  const dense = { target: 'mask', metric: { kind: 'miou' } };
  it.each([
    [{ kind: 'cross-entropy', classWeights: [1, 2, 3] }, true],
    [{ kind: 'cross-entropy', classWeights: Array(11).fill(0) }, true],
    [{ kind: 'cross-entropy', classWeights: Array(11).fill(1) }, false],
    [{ kind: 'bce', positiveWeights: [1, 2] }, true],
    [{ kind: 'bce', positiveWeights: [2] }, false],
  ])('with the loss %j is refused: %s', (loss, refused) => {
    const codes = codesOf(workflow(plain, { ...dense, loss, classes: 11 }, { net: net(11) }));
    expect(new Set(codes)).toEqual(new Set(refused ? ['HG1804'] : []));
  });

  it('asks for no top of more classes than there are', () => {
    const image = (topK: readonly number[]) => ({
      target: 'label',
      classes: 4,
      loss: { kind: 'cross-entropy' },
      metric: { kind: 'classification', topK },
    });
    expect(codesOf(workflow(plain, image([2, 9]), { net: net(4) }))).toContain('HG1804');
    expect(codesOf(workflow(plain, image([2]), { net: net(4) }))).not.toContain('HG1804');
    const set = (path: string) => ({ type: 'dataset', path });
    // Data of a program of the user's own: nobody knows before it runs which targets it has.
    const own = { kind: 'command', with: { argv: ['make'], outputs: { train: set('t'), gate: set('g') } } };
    const more = { net: net(4), scenes: own };
    const doubted = (topK: readonly number[]) =>
      (planOf(workflow({ metric: 'primary', percentOfReference: 99 }, image(topK), more)).warnings ?? []).map(
        ({ code, message }) => [code, message],
      );
    expect(doubted([2, 4])).toEqual([['HG1808', 'task "detection": top 4 of 4 classes holds for every image']]);
    expect(doubted([2, 3])).toEqual([]);
  });
});

describe('a profile', () => {
  const profiled = (profile: object): object => ({ ...workflow(plain), profiles: { p: profile } });

  it.each([
    [{ weights: { bits: 4 }, activations: { bits: 8 }, target: 'tensorrt' }, 1],
    [{ weights: { bits: 8 }, activations: { bits: 16 }, target: 'tensorrt' }, 1],
    [{ weights: { bits: 8 }, activations: { bits: 8, unsignedAfterRelu: true }, target: 'tensorrt' }, 1],
    [{ weights: { bits: 8 }, activations: { bits: 8 }, firstLast: { bits: 16 }, target: 'tensorrt' }, 1],
    [
      { weights: { bits: 8 }, activations: { bits: 8 }, layers: { a: { weights: { bits: 4 } } }, target: 'tensorrt' },
      1,
    ],
    [{ weights: { bits: 8 }, activations: { bits: 8 }, target: 'tensorrt' }, 0],
    [{ weights: { bits: 4 }, activations: { bits: 16 } }, 0],
  ])('%j has %i formats that its target lacks', (profile, count) => {
    expect(codesOf(profiled(profile))).toEqual(Array(count).fill('HG1805'));
  });

  it('is judged by the formats that the kernel places quantisers in', () => {
    expect(targetFormats).toEqual(
      Object.fromEntries(Object.entries(targetTables).map(([target, { formats }]) => [target, formats])),
    );
  });
});

describe('a description of the user’s own data, where it is at hand,', () => {
  const own = (task: object, from = 'train', description: object = {}) => {
    const root = mkdtempSync(join(tmpdir(), 'headgate-described-'));
    mkdirSync(join(root, 'data'));
    const written = {
      kind: 'image-folder',
      name: 'streets',
      image: { width: 64, height: 64 },
      targets: { lanes: { kind: 'mask', classes: ['none', 'lane'] } },
      splits: { train: { images: 'train' } },
      ...description,
    };
    writeFileSync(join(root, 'data', 'dataset.json'), JSON.stringify(written));
    const splits = { train: { from }, gate: { from: 'train' } };
    const folder = { kind: 'dataset', with: { source: { kind: 'image-folder', folder: 'data', splits } } };
    const dense = { target: 'lanes', loss: { kind: 'cross-entropy' }, metric: { kind: 'miou' }, ...task };
    writeFileSync(join(root, 'w.json'), JSON.stringify(workflow(plain, dense, { scenes: folder, net: net(2) })));
    return loadWorkflow(join(root, 'w.json'), { root });
  };
  const codes = async (loading: ReturnType<typeof own>): Promise<readonly string[]> => {
    const loaded = await loading;
    return loaded.ok
      ? (loaded.value.warnings ?? []).map(({ code }) => `warning ${code}`)
      : loaded.error.map(({ code }) => code);
  };

  it('is held against targets, splits and numbers of classes', async () => {
    expect(await codes(own({}))).toEqual([]);
    expect(await codes(own({ target: 'lane' }))).toContain('HG1802');
    expect(await codes(own({ classes: 3 }))).toContain('HG1804');
    expect(await codes(own({ loss: { kind: 'cross-entropy', classWeights: [1, 1, 1] } }))).toContain('HG1804');
    expect(await codes(own({}, 'val'))).toEqual(['HG1806']);
  });

  it.each([
    [{ mean: [123.7, 116.3, 103.5], std: [58.4, 57.1, 57.4] }, true],
    [{ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], scale: 1 }, true],
    [{ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }, false],
    [{ mean: [123.7, 116.3, 103.5], std: [58.4, 57.1, 57.4], scale: 1 }, false],
    [{ scale: 1 }, false],
    [{ mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] }, false],
  ])('with %j has a normalisation in the wrong units: %s', async (image, doubted) => {
    const described = own({}, 'train', { image: { width: 64, height: 64, ...image } });
    expect(await codes(described)).toEqual(doubted ? ['warning HG1807'] : []);
  });
});
