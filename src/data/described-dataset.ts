// A user's own data, described by a JSON file in its folder (schemas/dataset.schema.json): reads the description, then
// hands over to image-folder.ts or npy-dataset.ts. No code is needed for a new data set.
import { readFile } from 'node:fs/promises';
import { checkDataset } from './check-dataset.ts';
import { DataError } from './data-error.ts';
import type { Opened } from './description.ts';
import { openImageFolder } from './image-folder.ts';
import { inside } from './inside.ts';
import { JsonReader } from './json-reader.ts';
import { openNpyDataset } from './npy-dataset.ts';

export interface DescribedOptions {
  readonly kind: 'image-folder' | 'npy';
  readonly folder: string;
  /** Relative to the folder. */
  readonly description: string;
  readonly split: string;
  /** The most images to take, from the first. */
  readonly limit?: number;
}

/** @throws DataError naming the file and the place in it. */
export async function openDescribedDataset(options: DescribedOptions): Promise<Opened> {
  const { folder, description } = options;
  const path = await inside(folder, description, 'the dataset stage');
  const json = JsonReader.parse(await readFile(path, 'utf8'), description);
  json.onlyKeys(['$schema', 'kind', 'name', 'image', 'targets', 'splits']);
  if (json.at('kind').string() !== options.kind) throw json.at('kind').wrong(`"${options.kind}", as the stage says`);
  const splits = json.at('splits');
  if (!splits.has(options.split)) {
    const names = splits.entries().map(([name]) => name);
    throw new DataError(`${description} describes no split "${options.split}"`, `It has: ${names.join(', ')}.`);
  }
  const part = {
    folder,
    name: `${json.at('name').string()}/${options.split}`,
    image: json.at('image'),
    targets: json.has('targets') ? json.at('targets').entries() : [],
    split: splits.at(options.split),
    ...(options.limit === undefined ? {} : { limit: options.limit }),
  };
  const opened = options.kind === 'npy' ? await openNpyDataset(part) : await openImageFolder(part);
  return { dataset: checkDataset(opened.dataset), notes: opened.notes };
}
