// The `dataset` artifact: a folder with dataset.json and NPY files. Deterministic when written, verified when opened.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeNpy, decodeNpy } from '../support/npy.ts';
import type { DType, Tensor } from '../support/tensor.ts';
import { checkDataset } from './check-dataset.ts';
import { DataError } from './data-error.ts';
import { boxColumns, indexRows } from './dataset.ts';
import type { Dataset, Target } from './dataset.ts';
import { inside } from './inside.ts';
import { JsonReader } from './json-reader.ts';

const format = 'headgate-dataset';
const version = 1;
const descriptionFile = 'dataset.json';
const maxCount = 0x7fff_ffff;
const safeName = /^[A-Za-z][A-Za-z0-9_-]*$/;

/** Writes into a folder that nobody else sees yet; equal data sets give equal bytes. */
export async function writePackedDataset(folder: string, dataset: Dataset): Promise<void> {
  checkDataset(dataset);
  await mkdir(folder, { recursive: true });
  const { count, channels, height, width, images } = dataset;
  const files: [string, Tensor][] = [
    ['images.npy', { dtype: 'uint8', shape: [count, channels, height, width], data: images }],
  ];
  const targets: { [name: string]: object } = {};
  for (const name of [...dataset.targets.keys()].sort()) {
    if (!safeName.test(name) || name === 'images' || name === 'groups')
      throw new DataError(`"${name}" cannot name a target`);
    const target = dataset.targets.get(name) as Target;
    const file = `${name}.npy`;
    files.push([file, targetTensor(dataset, target)]);
    targets[name] = {
      kind: target.kind,
      file,
      classes: target.classes,
      ...(target.kind === 'mask' ? { ignore: target.ignore } : {}),
    };
  }
  if (dataset.groups !== undefined)
    files.push(['groups.npy', { dtype: 'int32', shape: [count], data: dataset.groups }]);
  for (const [file, tensor] of files) await writeFile(join(folder, file), encodeNpy(tensor));
  const description = {
    format,
    version,
    name: dataset.name,
    count,
    image: { file: 'images.npy', ...dataset.normalisation },
    targets,
    ...(dataset.groups === undefined ? {} : { groups: 'groups.npy' }),
  };
  await writeFile(join(folder, descriptionFile), `${JSON.stringify(description, null, 2)}\n`);
}

/** @throws DataError naming the file and what is wrong with it. */
export async function openPackedDataset(folder: string): Promise<Dataset> {
  const text = await readFile(join(folder, descriptionFile), 'utf8').catch(() => {
    throw new DataError(`the data set has no ${descriptionFile}`);
  });
  const json = JsonReader.parse(text, descriptionFile);
  if (json.at('format').string() !== format) throw json.at('format').wrong(`"${format}"`);
  json.at('version').integer(version, version);
  const count = json.at('count').integer(1, maxCount);
  const image = json.at('image');
  const images = await readArray(folder, image.at('file').string(), 'uint8', [count, undefined, undefined, undefined]);
  const [, channels, height, width] = images.shape as readonly [number, number, number, number];
  const targets = new Map<string, Target>();
  for (const [name, target] of json.at('targets').entries()) {
    targets.set(name, await readTarget(folder, target, { count, height, width }));
  }
  const groups = json.has('groups') ? await readArray(folder, json.at('groups').string(), 'int32', [count]) : undefined;
  return checkDataset({
    name: json.at('name').string(),
    count,
    channels,
    height,
    width,
    images: images.data as Uint8Array,
    normalisation: {
      scale: image.at('scale').number(),
      mean: image.at('mean').numbers(),
      std: image.at('std').numbers(),
    },
    targets,
    ...(groups === undefined ? {} : { groups: groups.data as Int32Array }),
  });
}

interface Sizes {
  readonly count: number;
  readonly height: number;
  readonly width: number;
}

/** Shared with NPY data sets of users, whose arrays have the same form. */
export async function readTarget(folder: string, json: JsonReader, { count, height, width }: Sizes): Promise<Target> {
  const kind = json.at('kind').oneOf(['boxes', 'mask', 'class', 'values']);
  const file = json.at('file').string();
  const classes = json.at('classes').strings();
  switch (kind) {
    case 'boxes': {
      const rows = (await readArray(folder, file, 'float32', [undefined, boxColumns])).data as Float32Array;
      for (let row = 0; row < rows.length; row += boxColumns) {
        const image = rows[row] as number;
        if (!(image >= 0 && image < count))
          throw new DataError(`${file}, row ${row / boxColumns}: there is no image ${image}`);
      }
      return { kind, classes, rows, firstRow: indexRows(rows, count) };
    }
    case 'mask': {
      const ignore = json.has('ignore') ? json.at('ignore').integer(0, 255) : 255;
      const values = (await readArray(folder, file, 'uint8', [count, height, width])).data as Uint8Array;
      return { kind, classes, ignore, values };
    }
    case 'class':
      return { kind, classes, values: (await readArray(folder, file, 'int32', [count])).data as Int32Array };
    case 'values': {
      const { shape, data } = await readArray(folder, file, 'float32', undefined);
      if (shape[0] !== count) throw new DataError(`${file} holds ${shape[0] ?? 0} rows for ${count} images`);
      return { kind, classes, shape: shape.slice(1), values: data as Float32Array };
    }
  }
}

/** An NPY file of the given type; undefined sizes are free, and so is the whole shape where it is undefined. */
export async function readArray(
  folder: string,
  file: string,
  dtype: DType,
  shape: readonly (number | undefined)[] | undefined,
): Promise<Tensor> {
  const bytes = await readFile(await inside(folder, file, descriptionFile));
  const read = decodeNpy(bytes);
  if (!read.ok) throw new DataError(`${file} ${read.error}`);
  const { value } = read;
  const fits =
    shape === undefined ||
    (value.shape.length === shape.length &&
      shape.every((size, axis) => size === undefined || size === value.shape[axis]));
  if (!fits || value.dtype !== dtype) {
    const wanted = shape?.map((size) => size ?? '*').join(', ') ?? '…';
    throw new DataError(`${file} holds ${value.dtype} [${value.shape.join(', ')}]; ${dtype} [${wanted}] is needed`);
  }
  return value;
}

function targetTensor({ count, height, width }: Dataset, target: Target): Tensor {
  switch (target.kind) {
    case 'boxes':
      return { dtype: 'float32', shape: [target.rows.length / boxColumns, boxColumns], data: target.rows };
    case 'mask':
      return { dtype: 'uint8', shape: [count, height, width], data: target.values };
    case 'class':
      return { dtype: 'int32', shape: [count], data: target.values };
    case 'values':
      return { dtype: 'float32', shape: [count, ...target.shape], data: target.values };
  }
}
