// Makes a data set that headgate reads from a copy of CamVid (folders train and val, each with images and labels of class ids):
// links to the frames in one place, splits by blocks of the drives with gaps, groups for the block bootstrap.
//
//   node bench/camvid/prepare.mjs FROM TO
//
// It is video: neighbouring frames are nearly the same. Of every drive a block goes to the gate and one to the report, GAP
// frames beside each are left out; so are the training frames around the validation clip, which belongs to the report.
import { copyFileSync, linkSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** Frames (a second each in the training drives) between a training frame and one that is held out. */
const GAP = 4;
/** Shares of a drive. */
const GATE = [0.4, 0.52];
const REPORT = [0.72, 0.84];
/** Frames of one group of the bootstrap. */
const BLOCK = 8;
const DUSK = '0001TP';

const STATIC = ['sky', 'building', 'pole', 'road', 'pavement', 'tree', 'sign', 'fence'];
const DYNAMIC = ['rest', 'car', 'pedestrian', 'bicyclist'];
const VOID = 11;

const [from, to] = process.argv.slice(2);
if (from === undefined || to === undefined) {
  console.error('usage: node bench/camvid/prepare.mjs FROM TO');
  process.exit(2);
}
mkdirSync(join(to, 'images'), { recursive: true });
mkdirSync(join(to, 'labels'), { recursive: true });
const training = framesOf('train');
const clip = framesOf('val');

const drives = new Map();
for (const frame of training) {
  const [drive] = frame.split('_');
  drives.set(drive, [...(drives.get(drive) ?? []), frame]);
}
const splits = { train: [], gate: [], report: [...clip] };
const [first, last] = [numberOf(clip[0]), numberOf(clip.at(-1))];
for (const [drive, frames] of drives) {
  const at = ([start, end]) => [Math.round(start * frames.length), Math.round(end * frames.length)];
  const held = [
    ['gate', at(GATE)],
    ['report', at(REPORT)],
  ];
  frames.forEach((frame, index) => {
    const own = held.find(([, [start, end]]) => index >= start && index < end);
    if (own !== undefined) splits[own[0]].push(frame);
    else if (held.every(([, [start, end]]) => index < start - GAP || index >= end + GAP) && !nearClip(drive, frame))
      splits.train.push(frame);
  });
}
const isDusk = (frame) => frame.startsWith(DUSK);
const evenly = (frames, count) =>
  frames.filter(
    (_, index) => Math.floor((index * count) / frames.length) !== Math.floor(((index - 1) * count) / frames.length),
  );
const day = splits.train.filter((frame) => !isDusk(frame));
splits.calibration = evenly(splits.train, 64);
splits.day = evenly(day, 64);

for (const [name, frames] of Object.entries(splits)) {
  writeFileSync(join(to, `${name}.txt`), frames.map((frame) => `${frame}.jpg\n`).join(''));
  console.log(`${name}: ${frames.length} frames, ${frames.filter(isDusk).length} of them at dusk`);
}
const groups = [...drives.values(), clip].flatMap((frames) =>
  frames.map(
    (frame, index) =>
      `${frame}.jpg,${frame.split('_')[0]}-${frames === clip ? 'clip' : 'drive'}-${Math.floor(index / BLOCK)}`,
  ),
);
writeFileSync(join(to, 'groups.csv'), `file,group\n${groups.join('\n')}\n`);

const offset = STATIC.length;
const ids = Array.from({ length: VOID + 1 }, (_, id) => String(id));
const description = {
  kind: 'image-folder',
  name: 'CamVid, 240 × 176',
  image: { width: 240, height: 176, channels: 'rgb', mean: [0.42, 0.43, 0.44], std: [0.3, 0.3, 0.3] },
  targets: {
    static: { kind: 'mask', classes: STATIC, map: mapOf((id) => STATIC[id] ?? 'ignore') },
    dynamic: {
      kind: 'mask',
      classes: DYNAMIC,
      map: mapOf((id) => (id === VOID ? 'ignore' : id < offset ? 'rest' : DYNAMIC[id - offset + 1])),
    },
  },
  splits: Object.fromEntries(
    Object.keys(splits).map((name) => [
      name,
      {
        images: 'images',
        list: `${name}.txt`,
        groups: 'groups.csv',
        targets: { static: { folder: 'labels' }, dynamic: { folder: 'labels' } },
      },
    ]),
  ),
};
writeFileSync(join(to, 'dataset.json'), `${JSON.stringify(description, null, 2)}\n`);

function mapOf(classOf) {
  return Object.fromEntries(ids.map((id) => [id, classOf(Number(id))]));
}

function framesOf(part) {
  const names = readdirSync(join(from, part, 'images'))
    .map((file) => basename(file, '.jpg'))
    .sort();
  for (const name of names) {
    place(join(from, part, 'images', `${name}.jpg`), join(to, 'images', `${name}.jpg`));
    place(join(from, part, 'labels', `${name}.png`), join(to, 'labels', `${name}.png`));
  }
  return names;
}

function place(source, target) {
  rmSync(target, { force: true });
  try {
    linkSync(source, target);
  } catch {
    copyFileSync(source, target);
  }
}

function numberOf(frame) {
  return Number(frame.split('_')[1].replace(/\D/g, ''));
}

/** Training frames of the clip's drive lie 30 numbers apart. */
function nearClip(drive, frame) {
  return clip[0].startsWith(drive) && numberOf(frame) > first - 30 * GAP && numberOf(frame) < last + 30 * GAP;
}
