// Targets of an image folder: a class from a list or a sub-folder, a mask from a PNG, boxes from COCO JSON.
// All come out in the resized image's pixels.
import { readFile } from 'node:fs/promises';
import { readCoco } from './coco.ts';
import type { CocoBox } from './coco.ts';
import { readPairs } from './csv.ts';
import { DataError } from './data-error.ts';
import { indexRows } from './dataset.ts';
import type { Target } from './dataset.ts';
import { inside } from './inside.ts';
import { JsonReader } from './json-reader.ts';
import { decodePngMask } from './png-mask.ts';
import type { IndexImage } from './png-mask.ts';

export interface ImageSet {
  readonly folder: string;
  /** Relative to the images' folder. */
  readonly files: readonly string[];
  /** Of the files, before resizing. */
  readonly sizes: readonly { readonly width: number; readonly height: number }[];
  readonly width: number;
  readonly height: number;
}

interface ReadTarget {
  readonly target: Target;
  readonly notes: readonly string[];
}

/** `description` says what the target is, `place` where this split has it. */
export async function readImageTarget(
  set: ImageSet,
  name: string,
  description: JsonReader,
  place: JsonReader,
): Promise<ReadTarget> {
  description.onlyKeys(['kind', 'classes', 'ignore', 'map']);
  const classes = description.at('classes').strings();
  switch (description.at('kind').oneOf(['boxes', 'mask', 'class'])) {
    case 'class':
      return { target: { kind: 'class', classes, values: await readClasses(set, classes, place) }, notes: [] };
    case 'mask': {
      const ignore = description.has('ignore') ? description.at('ignore').integer(0, 255) : 255;
      const map = description.has('map') ? readMap(description.at('map'), classes, ignore) : undefined;
      return { target: { kind: 'mask', classes, ignore, values: await readMasks(set, place, map) }, notes: [] };
    }
    case 'boxes':
      return readBoxes(set, name, classes, place);
  }
}

/** {"csv": "labels.csv"} with columns file,class, or {"subFolders": true}: the first folder of each image's path. */
async function readClasses(
  { folder, files }: ImageSet,
  classes: readonly string[],
  place: JsonReader,
): Promise<Int32Array> {
  place.onlyKeys(['csv', 'subFolders']);
  const list = place.has('csv') ? place.at('csv').string() : undefined;
  const pairs =
    list === undefined
      ? undefined
      : readPairs(await readFile(await inside(folder, list, 'the description'), 'utf8'), list, ['file', 'class']);
  return Int32Array.from(files, (file) => {
    const label = pairs === undefined ? file.split('/')[0] : pairs.get(file);
    if (label === undefined) throw new DataError(`${list} has no class for ${file}`);
    const index = classes.indexOf(label);
    if (index < 0) throw new DataError(`${file} is of class "${label}", which the description does not name`);
    return index;
  });
}

/** {"folder": "masks", "suffix": "_L"}: for a/b.jpg the mask masks/a/b_L.png. */
async function readMasks(set: ImageSet, place: JsonReader, map: Uint8Array | undefined): Promise<Uint8Array> {
  place.onlyKeys(['folder', 'suffix']);
  const folder = await inside(set.folder, place.at('folder').string(), 'the description');
  const suffix = place.has('suffix') ? place.at('suffix').string() : '';
  const values = new Uint8Array(set.files.length * set.width * set.height);
  for (const [index, file] of set.files.entries()) {
    const maskFile = `${file.replace(/\.[^./]*$/, '')}${suffix}.png`;
    const read = decodePngMask(await readFile(await inside(folder, maskFile, `the mask of ${file}`)));
    if (!read.ok) throw new DataError(`the mask ${maskFile} ${read.error}`);
    const size = set.sizes[index];
    if (read.value.width !== size?.width || read.value.height !== size.height) {
      const of = `${read.value.width}×${read.value.height}`;
      throw new DataError(`the mask ${maskFile} is ${of}, its image ${size?.width}×${size?.height}`);
    }
    const resized = nearest(read.value, set.width, set.height);
    if (map !== undefined) mapValues(resized, map, maskFile);
    values.set(resized, index * set.width * set.height);
  }
  return values;
}

const unmapped = 254;

/** {"0": "sky", "11": "ignore"}: what is in the files → class. A table of 256, `unmapped` where nothing is said. */
function readMap(json: JsonReader, classes: readonly string[], ignore: number): Uint8Array {
  if (classes.length > unmapped || ignore === unmapped) throw json.wrong(`used with fewer than ${unmapped} classes`);
  const table = new Uint8Array(256).fill(unmapped);
  for (const [value, to] of json.entries()) {
    if (!/^(0|[1-9]\d{0,2})$/.test(value) || Number(value) > 255) throw to.wrong('under a key from "0" to "255"');
    const label = to.string() === 'ignore' ? ignore : classes.indexOf(to.string());
    if (label < 0) throw to.wrong(`a class or "ignore"`);
    table[Number(value)] = label;
  }
  return table;
}

function mapValues(values: Uint8Array, table: Uint8Array, file: string): void {
  for (const [at, value] of values.entries()) {
    const label = table[value] as number;
    if (label === unmapped)
      throw new DataError(`the mask ${file} has pixels of value ${value}, which "map" does not name`);
    values[at] = label;
  }
}

function nearest({ width, height, values }: IndexImage, toWidth: number, toHeight: number): Uint8Array {
  const result = new Uint8Array(toWidth * toHeight);
  for (let y = 0; y < toHeight; y++) {
    const line = Math.floor(((y + 0.5) * height) / toHeight) * width;
    for (let x = 0; x < toWidth; x++) {
      result[y * toWidth + x] = values[line + Math.floor(((x + 0.5) * width) / toWidth)] as number;
    }
  }
  return result;
}

/** {"coco": "boxes.json"}. */
async function readBoxes(
  set: ImageSet,
  name: string,
  classes: readonly string[],
  place: JsonReader,
): Promise<ReadTarget> {
  place.onlyKeys(['coco']);
  const file = place.at('coco').string();
  const text = await readFile(await inside(set.folder, file, 'the description'), 'utf8');
  const { boxes, leftOut } = readCoco(JsonReader.parse(text, file), classes, file);
  const rows: number[] = [];
  const outside: string[] = [];
  const cut: string[] = [];
  for (const [image, imageFile] of set.files.entries()) {
    const found = boxes.get(imageFile);
    if (found === undefined) throw new DataError(`${file} does not list the image ${imageFile}`);
    const size = set.sizes[image] as { width: number; height: number };
    for (const box of found) {
      const clipped = clip(box, size.width, size.height);
      if (clipped === undefined) outside.push(imageFile);
      else if (reachesOut(box, size)) cut.push(imageFile);
      if (clipped !== undefined)
        rows.push(image, box.label, ...scaled(clipped, set.width / size.width, set.height / size.height));
    }
  }
  const data = Float32Array.from(rows);
  const counts = { ...leftOut, outside: outside.length };
  const said = Object.entries(counts).filter(([, count]) => count > 0);
  const where = outside.length === 0 ? '' : ` (${filesText(outside)})`;
  const notes = [
    ...(said.length === 0
      ? []
      : [
          `target "${name}": annotations left out: ${said.map(([why, count]) => `${count} ${phrases[why as keyof typeof counts]}`).join(', ')}${where}`,
        ]),
    ...(cut.length === 0
      ? []
      : [
          `target "${name}": ${cut.length} boxes reach out of their image and were cut at its edge (${filesText(cut)})`,
        ]),
  ];
  return {
    target: { kind: 'boxes', classes, rows: data, firstRow: indexRows(data, set.files.length) },
    notes,
  };
}

const phrases = {
  crowds: 'crowd regions',
  otherCategories: 'of other categories',
  empty: 'without area',
  outside: 'outside their image',
} as const;

/** Annotation tools round corners; what reaches further was drawn for another size of the image. */
const EDGE = 1;

function reachesOut({ x0, y0, x1, y1 }: CocoBox, { width, height }: { width: number; height: number }): boolean {
  return x0 < -EDGE || y0 < -EDGE || x1 > width + EDGE || y1 > height + EDGE;
}

const FEW = 3;

/** The first of the images that hold such boxes, and how many more there are. */
function filesText(files: readonly string[]): string {
  const all = [...new Set(files)];
  const more = all.length > FEW ? ` and ${all.length - FEW} more` : '';
  return `in ${all.slice(0, FEW).join(', ')}${more}`;
}

type Corners = readonly [number, number, number, number];

function clip({ x0, y0, x1, y1 }: CocoBox, width: number, height: number): Corners | undefined {
  const corners: Corners = [Math.max(0, x0), Math.max(0, y0), Math.min(width, x1), Math.min(height, y1)];
  return corners[0] < corners[2] && corners[1] < corners[3] ? corners : undefined;
}

function scaled([x0, y0, x1, y1]: Corners, byX: number, byY: number): Corners {
  return [x0 * byX, y0 * byY, x1 * byX, y1 * byY];
}
