// workflows/mlsd.json, a model without labels, through the command line: always on a small detector of the same make, and on
// M-LSD itself where HEADGATE_MLSD names its file (npm: jp.keijiro.mlsd 1.0.0, mlsd_320x320_tiny.onnx).
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeModel } from '../../src/qat/onnx/codec.ts';
import type { RunReport } from '../../src/report/run-report.ts';
import type { JsonObject } from '../../src/support/json.ts';
import { encodeNpy } from '../../src/support/npy.ts';
import { Random } from '../../src/support/random.ts';
import { Installation } from './installation.ts';
import { reportOf, succeeded } from './project-report.ts';
import { CHANNELS, CUTS, SIDE, smallDetector } from './small-detector.ts';

const workflow = join(import.meta.dirname, '../../workflows/mlsd.json');
const file = process.env['HEADGATE_MLSD'] ?? '';

let installation: Installation;
const roots: string[] = [];
beforeAll(async () => {
  installation = await Installation.build();
});
afterAll(async () => {
  await installation.remove();
  for (const root of roots) await rm(root, { recursive: true, force: true });
});

/** A folder with images of soft blobs, without any labels. */
async function projectOf(side: number, counts: { readonly [split: string]: number }): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'headgate-mlsd-'));
  roots.push(root);
  await mkdir(join(root, 'data'));
  for (const [index, [split, count]] of Object.entries(counts).entries()) {
    const images = { dtype: 'uint8', shape: [count, CHANNELS, side, side], data: blobs(side, count, index) } as const;
    await writeFile(join(root, 'data', `${split}.npy`), encodeNpy(images));
  }
  const splits = Object.fromEntries(Object.keys(counts).map((split) => [split, { images: `${split}.npy` }]));
  const description = { kind: 'npy', name: 'blobs', image: { scale: 1 }, targets: {}, splits };
  await writeFile(join(root, 'data', 'dataset.json'), JSON.stringify(description));
  return root;
}

function blobs(side: number, count: number, seed: number): Uint8Array {
  const random = new Random(seed + 1);
  const plane = side * side;
  const data = new Uint8Array(count * CHANNELS * plane).fill(1);
  for (let image = 0; image < count; image++) {
    for (let channel = 0; channel < CHANNELS - 1; channel++) {
      const [x, y, width] = [random.uniform() * side, random.uniform() * side, side / 4];
      for (let at = 0; at < plane; at++) {
        const squares = ((at % side) - x) ** 2 + (Math.floor(at / side) - y) ** 2;
        const value = 200 * Math.exp(-squares / width ** 2) + 40 * random.uniform();
        data[(image * CHANNELS + channel) * plane + at] = value;
      }
    }
  }
  return data;
}

async function run(root: string, params: JsonObject, more: readonly string[] = []): Promise<RunReport> {
  await writeFile(join(root, 'params.json'), JSON.stringify(params));
  succeeded(await installation.run(['run', workflow, '--root', root, '--params', join(root, 'params.json'), ...more]));
  return reportOf(installation, root);
}

/** Decibels by role, of one task. */
function sqnrs(report: RunReport, task: string): { readonly [role: string]: number } {
  const found = report.stages.flatMap(({ role, facts }) =>
    facts.metrics
      .filter((metrics) => metrics.task === task)
      .map(({ values }) => [role ?? '', values['sqnr'] ?? Number.NaN]),
  );
  return Object.fromEntries(found) as { readonly [role: string]: number };
}

function exportNotes({ stages }: RunReport): RunReport['stages'][number]['notes'] {
  return stages.find(({ id }) => id === 'export')?.notes ?? [];
}

function proofsIn(report: RunReport): readonly string[] {
  const proofs = report.stages.flatMap(({ facts }) => facts.proofs);
  expect(proofs.every(({ held }) => held)).toBe(true);
  return [...new Set(proofs.map(({ name }) => name))].sort();
}

describe('a model without labels', () => {
  const splits = { train: 32, gate: 8, report: 8, calibration: 8 };
  const params = {
    batch: 4,
    data: { splits },
    import: { onnx: 'small.onnx', ...CUTS, boundary: [...CUTS.boundary] },
    calibration: { batches: 2 },
    // Nothing is cured before: what is left for QAT to win is plain.
    cure: { equalise: false, biasCorrection: false },
    qat: { epochs: 8, learningRate: 0.0001 },
  } as JsonObject;
  let root: string;
  let report: RunReport;
  beforeAll(async () => {
    root = await projectOf(SIDE, splits);
    await writeFile(join(root, 'small.onnx'), encodeModel(smallDetector()));
    report = await run(root, params);
  }, 240_000);

  it('is imported at its cut tensors, calibrated, trained towards itself, merged and exported, every proof held', () => {
    expect(proofsIn(report)).toEqual(expect.arrayContaining(['export', 'freeze', 'import', 'merge']));
  });

  it('shows which cure helps: equalisation where channels are uneven, wider formats more', () => {
    const offsets = sqnrs(report, 'offsets');
    // Measured: margins of a few dB and more, so that another seed does not turn them.
    const MARGIN = 3;
    expect(offsets['equalised']).toBeGreaterThan((offsets['w8a8'] as number) + MARGIN);
    expect(offsets['w8a16']).toBeGreaterThan((offsets['w8a8'] as number) + MARGIN);
    expect(offsets['cured']).toBeCloseTo(offsets['w8a8'] as number, 10);
  });

  it('tells what a program has to set where the integer runtime refuses the file by default', async () => {
    expect(exportNotes(report)).toEqual([]);
    await writeFile(join(root, 'small.onnx'), encodeModel(smallDetector('signed')));
    const refused = await run(root, { ...params, profile: 'w4a4' }, ['--until', 'export']);
    expect(exportNotes(refused)).toMatchObject([{ level: 'warning' }]);
    expect(exportNotes(refused)[0]?.text).toMatch(
      /default session refuses .* Measured with session.qdqisint8allowed=1/,
    );
  }, 240_000);

  it('comes nearer to its float model by QAT without a single label', () => {
    // The sum over outputs of the inverse SQNR is what it minimises.
    const distance = (role: string): number =>
      ['offsets', 'scores'].reduce((sum, task) => sum + 10 ** (-(sqnrs(report, task)[role] as number) / 10), 0);
    expect(distance('distilled')).toBeLessThan(distance('cured'));
    expect(distance('report-distilled')).toBeLessThan(distance('report-cured'));
  });

  it('exports the trained model only where no output is worse for it, else the calibrated one', () => {
    const gained = ['offsets', 'scores'].map((task) => {
      const found = sqnrs(report, task);
      return (found['distilled'] as number) - (found['cured'] as number);
    });
    const kept = gained.every((decibels) => decibels >= 0) ? 'distilled' : 'cured';
    expect(report.stages.find(({ id }) => id === 'kept')?.chosen).toBe(kept);
    for (const task of ['offsets', 'scores'])
      expect(sqnrs(report, task)['report-merged']).toBe(sqnrs(report, task)[`report-${kept}`]);
  });

  it('keeps what it calibrated where QAT makes it worse', async () => {
    await writeFile(join(root, 'small.onnx'), encodeModel(smallDetector()));
    const ruined = await run(root, { ...params, qat: { epochs: 1, learningRate: 0.5, divergenceFactor: 0 } }, [
      '--until',
      'report-merged',
    ]);
    expect(ruined.stages.find(({ id }) => id === 'kept')?.chosen).toBe('cured');
    expect(sqnrs(ruined, 'offsets')['report-merged']).toBe(sqnrs(report, 'offsets')['report-cured']);
  }, 240_000);
});

describe.skipIf(file === '')('M-LSD (needs HEADGATE_MLSD)', () => {
  it('goes the same way as its published file', async () => {
    const splits = { train: 4, gate: 4, report: 4, calibration: 4 };
    const root = await projectOf(320, splits);
    await copyFile(file, join(root, 'mlsd_320x320_tiny.onnx'));
    const report = await run(root, {
      data: { splits },
      arms: [
        { key: 'w8a8', profile: 'w8a8', equalise: false, biasCorrection: false },
        { key: 'w16a8', profile: 'w16a8', equalise: false, biasCorrection: false },
      ],
      analysis: { images: 1 },
      calibration: { batches: 1 },
      qat: { epochs: 1 },
    });
    expect(proofsIn(report)).toEqual(expect.arrayContaining(['export', 'freeze', 'import', 'merge']));
    for (const task of ['offsets', 'scores'])
      expect(sqnrs(report, task)['w16a8'], task).toBeGreaterThan(sqnrs(report, task)['w8a8'] as number);
  }, 900_000);
});
