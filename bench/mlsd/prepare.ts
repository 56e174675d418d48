// Images as M-LSD takes them, made from any folder of JPEG images (PNG files are usually masks): an NPY data set of 320 × 320 RGB and a fourth
// channel of ones (as the model's authors feed it), bytes as they are, no labels. Splits are contiguous blocks of the sorted
// file names with a gap between them, so that neighbouring frames of a video do not stand on both sides.
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeImage } from '../../src/data/image-decoder.ts';
import { encodeNpy } from '../../src/support/npy.ts';

const SIDE = 320;
const CHANNELS = 4;
/** Images left out between two blocks. */
const GAP = 8;

/** Shares of the images; `calibration` is every fifth image of the block that it shares with `train`. */
const SHARES = { train: 0.6, gate: 0.2, report: 0.2 } as const;
const CALIBRATION_STEP = 5;

/** @returns how many images each split has. */
export async function prepare(from: string, to: string): Promise<ReadonlyMap<string, number>> {
  const files = (await readdir(from, { recursive: true })).filter((file) => /\.jpe?g$/i.test(file)).sort();
  const splits = splitFiles(files);
  await mkdir(to, { recursive: true });
  for (const [split, names] of splits) {
    if (names.length === 0) throw new Error(`${files.length} images in ${from} are too few for split "${split}"`);
    const plane = SIDE * SIDE;
    const data = new Uint8Array(names.length * CHANNELS * plane).fill(1);
    for (const [index, name] of names.entries()) {
      const { bytes } = await decodeImage(join(from, name), name, { width: SIDE, height: SIDE, channels: 'rgb' });
      data.set(bytes, index * CHANNELS * plane);
    }
    const array = { dtype: 'uint8' as const, shape: [names.length, CHANNELS, SIDE, SIDE], data };
    await writeFile(join(to, `${split}.npy`), encodeNpy(array));
  }
  const description = {
    kind: 'npy',
    name: 'images for M-LSD',
    // The graph normalises: it takes bytes.
    image: { layout: 'NCHW', scale: 1 },
    targets: {},
    splits: Object.fromEntries([...splits.keys()].map((split) => [split, { images: `${split}.npy` }])),
  };
  await writeFile(join(to, 'dataset.json'), `${JSON.stringify(description, null, 2)}\n`);
  return new Map([...splits].map(([split, names]) => [split, names.length]));
}

function splitFiles(files: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const splits = new Map<string, readonly string[]>();
  let start = 0;
  for (const [split, share] of Object.entries(SHARES)) {
    const end = Math.min(files.length, start + Math.round(files.length * share));
    splits.set(split, files.slice(start, split === 'report' ? files.length : end - GAP));
    start = end;
  }
  const learned = splits.get('train') ?? [];
  splits.set(
    'train',
    learned.filter((_, index) => index % CALIBRATION_STEP !== 0),
  );
  splits.set(
    'calibration',
    learned.filter((_, index) => index % CALIBRATION_STEP === 0),
  );
  return splits;
}
