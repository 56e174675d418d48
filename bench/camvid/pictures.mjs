// Pictures of what the heads see, for the eye: a row per head, side by side the frame, the label, the float model, the strategy's
// merged model and, where there is one, joint QAT's. They show CamVid's frames, so they stay with whoever has these.
//
//   node bench/camvid/pictures.mjs --data DIR --to FOLDER [--root DIR] [--frames 12] [--seed 0] [--set PATH=VALUE …]
//
// --root is that of bench/camvid/all.mjs, of whose training everything is reused.
import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { Runs } from './runs.mjs';

const CAPTION = 16;
const GAP = 4;
const COLOURS = {
  sky: [128, 178, 220],
  building: [140, 70, 60],
  pole: [230, 220, 120],
  road: [110, 80, 130],
  pavement: [235, 150, 200],
  tree: [80, 130, 60],
  sign: [240, 200, 0],
  fence: [190, 150, 120],
  rest: [40, 40, 40],
  car: [70, 110, 230],
  pedestrian: [230, 60, 60],
  bicyclist: [0, 200, 170],
};
const COLUMNS = { 'report-float': 'float', 'report-merged': 'strategy', 'report-joint': 'joint QAT' };

const { values: options } = parseArgs({
  options: {
    data: { type: 'string' },
    to: { type: 'string' },
    root: { type: 'string', default: '.' },
    frames: { type: 'string', default: '12' },
    seed: { type: 'string', default: '0' },
    set: { type: 'string', multiple: true, default: [] },
  },
});
if (options.data === undefined || options.to === undefined) {
  console.error('usage: node bench/camvid/pictures.mjs --data DIR --to FOLDER [--root DIR] [--frames 12] [--seed 0]');
  process.exit(2);
}
const data = resolve(options.data);
const { image: size, targets } = JSON.parse(readFileSync(join(data, 'dataset.json'), 'utf8'));
const [WIDTH, HEIGHT] = [size.width, size.height];
const TASKS = Object.keys(targets);
const runs = new Runs({ data, root: options.root, set: options.set });
const frames = runs.frames('report');
const run = runs.of([`seed=${options.seed}`, `keepOutputs=${frames.length}`], {
  params: 'workflows/params/camvid-arms.json',
  until: Object.keys(COLUMNS),
});
const predictions = TASKS.map((task) => Object.keys(COLUMNS).map((role) => classMaps(run.file(role, task, 'outputs'))));
mkdirSync(options.to, { recursive: true });
const count = Math.min(Number(options.frames), frames.length);
for (let index = 0; index < count; index++) {
  const image = Math.floor((index * frames.length) / count);
  await draw(image);
}
console.log(`${count} pictures in ${resolve(options.to)}`);

async function draw(image) {
  const frame = join(data, 'images', `${frames[image]}.jpg`);
  const label = await labelOf(frames[image]);
  const captions = ['frame', 'label', ...Object.values(COLUMNS)];
  const [width, row] = [captions.length * (WIDTH + GAP) - GAP, HEIGHT + GAP];
  const layers = [];
  TASKS.forEach((task, line) => {
    const top = CAPTION + line * row;
    const tiles = [
      sharp(frame).resize(WIDTH, HEIGHT, { fit: 'fill' }),
      coloured(task, { classes: label[task], width: WIDTH, height: HEIGHT }),
      ...predictions[line].map((maps) => maps && coloured(task, maps(image))),
    ];
    tiles.forEach((tile, column) => {
      if (tile !== undefined) layers.push({ tile, top, left: column * (WIDTH + GAP) });
    });
  });
  const composed = await Promise.all(
    layers.map(async ({ tile, top, left }) => ({ input: await tile.png().toBuffer(), top, left })),
  );
  const words = captions.map((text, column) => `<text x="${column * (WIDTH + GAP)}" y="12">${text}</text>`).join('');
  const title = `<svg width="${width}" height="${CAPTION}" font-family="sans-serif" font-size="12" fill="black">${words}</svg>`;
  await sharp({
    create: { width, height: CAPTION + TASKS.length * row - GAP, channels: 3, background: 'white' },
  })
    .composite([{ input: Buffer.from(title), top: 0, left: 0 }, ...composed])
    .png()
    .toFile(join(options.to, `${frames[image]}.png`));
}

/** Image → class of every pixel; undefined where the run has no such outputs. */
function classMaps(file) {
  if (file === undefined) return undefined;
  const bytes = readFileSync(file);
  const header = Number(bytes.readBigUInt64LE(0));
  const [{ shape, data_offsets: at }] = Object.values(JSON.parse(bytes.subarray(8, 8 + header).toString()));
  const values = new Float32Array(
    bytes.buffer.slice(bytes.byteOffset + 8 + header + at[0], bytes.byteOffset + 8 + header + at[1]),
  );
  const [, classes, height, width] = shape;
  const plane = height * width;
  return (image) => {
    const found = new Uint8Array(plane);
    for (let pixel = 0; pixel < plane; pixel++)
      for (let of = 1; of < classes; of++)
        if (values[(image * classes + of) * plane + pixel] > values[(image * classes + found[pixel]) * plane + pixel])
          found[pixel] = of;
    return { classes: found, width, height };
  };
}

function coloured(task, { classes, width, height }) {
  const pixels = new Uint8Array(width * height * 3);
  classes.forEach((of, pixel) => pixels.set(COLOURS[targets[task].classes[of]] ?? [0, 0, 0], 3 * pixel));
  return sharp(pixels, { raw: { width, height, channels: 3 } }).resize(WIDTH, HEIGHT, { kernel: 'nearest' });
}

/** Task → class of every pixel of the label, at the size of the network's input; 255: ignored. */
async function labelOf(name) {
  const { data: ids, info } = await sharp(join(data, 'labels', `${name}.png`))
    .raw()
    .toBuffer({ resolveWithObject: true });
  const map = (task) =>
    Uint8Array.from({ length: WIDTH * HEIGHT }, (_, pixel) => {
      const x = Math.floor(((pixel % WIDTH) * info.width) / WIDTH);
      const y = Math.floor((Math.floor(pixel / WIDTH) * info.height) / HEIGHT);
      const id = ids[(y * info.width + x) * info.channels];
      const of = targets[task].classes.indexOf(targets[task].map[String(id)]);
      return of < 0 ? 255 : of;
    });
  return Object.fromEntries(TASKS.map((task) => [task, map(task)]));
}
