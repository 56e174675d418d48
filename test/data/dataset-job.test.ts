import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runDataset } from '../../src/backends/embedded/jobs/dataset.ts';
import type { JobContext } from '../../src/backends/embedded/job-context.ts';
import { openPackedDataset } from '../../src/data/packed-dataset.ts';
import type { JobEvent, JobRequest } from '../../src/events/job-protocol.ts';
import type { JsonObject } from '../../src/support/json.ts';
import { encodeNpy } from '../../src/support/npy.ts';
import { arraysDescription } from './descriptions.ts';
import { temporaryFolder } from './tiny-data.ts';

const base = await temporaryFolder();
let next = 0;

async function job(
  source: JsonObject,
  folder?: string,
): Promise<{ request: JobRequest; context: JobContext; events: JobEvent[] }> {
  const outDir = join(base, `out${next++}`);
  await mkdir(outDir);
  const events: JobEvent[] = [];
  const inputs = folder === undefined ? {} : { folder: { type: 'file' as const, path: folder, digest: '' } };
  const request: JobRequest = {
    protocol: 1,
    kind: 'dataset',
    stage: 'data',
    token: 't',
    settings: { source },
    inputs,
    seed: 1,
    threads: 1,
  };
  const emit = (event: JobEvent): void => void events.push(event);
  return { request, context: { emit, outDir, resumeDir: join(base, 'resume'), interrupted: () => false }, events };
}

async function arrays(): Promise<string> {
  const folder = join(base, `arrays${next++}`);
  await mkdir(folder);
  await writeFile(join(folder, 'dataset.json'), JSON.stringify(arraysDescription));
  await writeFile(join(folder, 'x.npy'), encodeNpy({ dtype: 'uint8', shape: [2, 1, 2, 2], data: new Uint8Array(8) }));
  await writeFile(join(folder, 'y.npy'), encodeNpy({ dtype: 'int32', shape: [2], data: Int32Array.of(1, 0) }));
  await writeFile(join(folder, 'b.npy'), encodeNpy({ dtype: 'float32', shape: [0, 6], data: new Float32Array(0) }));
  return folder;
}

describe('the dataset job', () => {
  it('writes one packed data set per split and names it as output', async () => {
    const { request, context, events } = await job(
      { kind: 'npy', splits: { gate: { from: 'train', count: 1 }, train: {} } },
      await arrays(),
    );
    expect(await runDataset(request, context)).toEqual({
      status: 'succeeded',
      outputs: { train: 'train', gate: 'gate' },
      summary: {
        splits: { train: { images: 2, targets: ['label', 'boxes'] }, gate: { images: 1, targets: ['label', 'boxes'] } },
      },
    });
    expect((await readdir(context.outDir)).sort()).toEqual(['gate', 'train']);
    expect((await openPackedDataset(join(context.outDir, 'gate'))).count).toBe(1);
    expect(events.at(-1)).toEqual({ type: 'progress', unit: 'step', done: 2, total: 2 });
  });

  it('warns, with names and counts, of what is hardly meant, before anybody trains on it', async () => {
    const folder = await arrays();
    const { targets, splits } = arraysDescription;
    const image = { layout: 'NHWC', mean: [123.7, 116.3], std: [58.4, 57.1] };
    await writeFile(join(folder, 'dataset.json'), JSON.stringify({ ...arraysDescription, image, targets, splits }));
    const data = Uint8Array.from({ length: 16 }, (_, at) => at);
    await writeFile(join(folder, 'x.npy'), encodeNpy({ dtype: 'uint8', shape: [2, 2, 2, 2], data }));
    const boxes = Float32Array.of(0, 0, 0, 0, 2, 2, 1, 0, 0, 1, 9, 2);
    await writeFile(join(folder, 'b.npy'), encodeNpy({ dtype: 'float32', shape: [2, 6], data: boxes }));
    const source = { kind: 'npy', splits: { train: {}, gate: { from: 'train', count: 1 } } };
    const { request, context, events } = await job(source, folder);
    expect(await runDataset(request, context)).toMatchObject({ status: 'succeeded' });
    const texts = events.flatMap((event) => (event.type === 'note' && event.level === 'warning' ? [event.text] : []));
    expect(texts).toEqual([
      expect.stringMatching(/^the normalisation is hardly meant so: mean \[123.7, 116.3\].* divide both by 255/),
      '2 of the 2 images of split "train" hold no value above 15 of 255 (the first is number 0): 12 bits that were divided by 256 as if they were 16 look like this; divide them by 16',
      '1 of the 2 boxes of target "boxes" reach out of their image in split "train" (the first is [0, 1, 9, 2] in image 1 of 2×2): look whether they were drawn for another size',
      expect.stringMatching(/^1 of the 1 images of split "gate" hold no value above 7 of 255/),
      '1 of the 2 classes of target "label" never occur in the 1 images of split "gate": "p"; what is measured on it says nothing of them',
      expect.stringMatching(/^1 images of split "gate" are in split "train" too/),
    ]);
  });

  it('stops between splits when the engine asks', async () => {
    const { request, context } = await job({ kind: 'npy', splits: { train: {} } }, await arrays());
    expect(await runDataset(request, { ...context, interrupted: () => true })).toEqual({ status: 'interrupted' });
  });

  it('refuses a split that the description does not have', async () => {
    const { request, context } = await job({ kind: 'npy', splits: { report: {} } }, await arrays());
    await expect(runDataset(request, context)).rejects.toThrow('dataset.json describes no split "report"');
  });
});
