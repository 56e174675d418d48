// A folder of PNG or JPEG images with a class, a mask or boxes for each: decoded, resized and brought into one data set.
import { readFile, readdir } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { byCodeUnit } from '../support/canonical-json.ts';
import { readPairs } from './csv.ts';
import { DataError } from './data-error.ts';
import type { Target } from './dataset.ts';
import { readNormalisation } from './description.ts';
import type { DescribedPart, Opened } from './description.ts';
import { decodeImage } from './image-decoder.ts';
import type { DecodeOptions } from './image-decoder.ts';
import { readImageTarget } from './image-targets.ts';
import type { ImageSet } from './image-targets.ts';
import { inside } from './inside.ts';
import type { JsonReader } from './json-reader.ts';

/** Decoded at once: a few, because each holds a whole image. */
const imagesAtOnce = 4;
const mostSide = 8192;

/** @throws DataError naming the file and the reason. */
export async function openImageFolder({ folder, name, image, targets, split, limit }: DescribedPart): Promise<Opened> {
  image.onlyKeys(['width', 'height', 'channels', 'scale', 'mean', 'std']);
  split.onlyKeys(['images', 'list', 'targets', 'groups']);
  const options: DecodeOptions = {
    width: image.at('width').integer(1, mostSide),
    height: image.at('height').integer(1, mostSide),
    channels: image.has('channels') ? image.at('channels').oneOf(['rgb', 'grey']) : 'rgb',
  };
  const imageFolder = await inside(folder, split.at('images').string(), 'the description');
  const listed = split.has('list') ? await readList(folder, split.at('list').string()) : await listImages(imageFolder);
  const files = limit === undefined ? listed : listed.slice(0, limit);
  if (files.length === 0) throw new DataError(`split "${name}" has no PNG or JPEG images`);
  const { bytes, sizes } = await decodeAll(imageFolder, files, options);
  const set: ImageSet = { folder, files, sizes, width: options.width, height: options.height };
  const read = new Map<string, Target>();
  const notes: string[] = [];
  for (const [target, description] of targets) {
    const made = await readImageTarget(set, target, description, split.at('targets').at(target));
    read.set(target, made.target);
    notes.push(...made.notes);
  }
  const groups = split.has('groups') ? await readGroups(folder, split.at('groups'), files) : undefined;
  const channels = options.channels === 'grey' ? 1 : 3;
  const { width, height } = options;
  const normalisation = readNormalisation(image, channels);
  const common = { name, count: files.length, channels, height, width, images: bytes, normalisation, targets: read };
  return { dataset: { ...common, ...(groups === undefined ? {} : { groups }) }, notes };
}

async function listImages(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && /\.(png|jpe?g)$/i.test(entry.name))
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .split(sep)
        .join('/'),
    )
    .sort(byCodeUnit);
}

/** One file name a line, relative to the images' folder; the order is kept. */
async function readList(folder: string, list: string): Promise<readonly string[]> {
  const text = await readFile(await inside(folder, list, 'the description'), 'utf8');
  const names = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new DataError(`${list} names "${twice}" twice`);
  return names;
}

interface Decoded {
  readonly bytes: Uint8Array;
  readonly sizes: readonly { readonly width: number; readonly height: number }[];
}

async function decodeAll(folder: string, files: readonly string[], options: DecodeOptions): Promise<Decoded> {
  const each = options.width * options.height * (options.channels === 'grey' ? 1 : 3);
  const bytes = new Uint8Array(files.length * each);
  const sizes: { width: number; height: number }[] = [];
  for (let start = 0; start < files.length; start += imagesAtOnce) {
    const group = files.slice(start, start + imagesAtOnce);
    const images = await Promise.all(
      group.map(async (file) => decodeImage(await inside(folder, file, 'the list of images'), file, options)),
    );
    for (const [index, image] of images.entries()) {
      bytes.set(image.bytes, (start + index) * each);
      sizes.push({ width: image.originalWidth, height: image.originalHeight });
    }
  }
  return { bytes, sizes };
}

/** CSV `file,group`; groups are numbered by their first image. */
async function readGroups(folder: string, json: JsonReader, files: readonly string[]): Promise<Int32Array> {
  const list = json.string();
  const pairs = readPairs(await readFile(await inside(folder, list, 'the description'), 'utf8'), list, [
    'file',
    'group',
  ]);
  const numbers = new Map<string, number>();
  return Int32Array.from(files, (file) => {
    const group = pairs.get(file);
    if (group === undefined) throw new DataError(`${list} has no group for ${file}`);
    const number = numbers.get(group) ?? numbers.size;
    numbers.set(group, number);
    return number;
  });
}
