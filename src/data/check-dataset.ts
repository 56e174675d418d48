// What every data set must fulfil before anyone trains or measures on it: sizes agree, classes exist, boxes are boxes.
// The same check runs on what users bring and on what is read back from the store.
import { DataError } from './data-error.ts';
import { boxColumns, boxRow } from './dataset.ts';
import type { Dataset, Target, ValuesTarget } from './dataset.ts';
import { elementCount } from '../support/tensor.ts';

/** @throws DataError naming the first thing that is wrong, with its index. */
export function checkDataset(dataset: Dataset): Dataset {
  const { name, count, channels, height, width } = dataset;
  if (count < 1) throw new DataError(`data set "${name}" holds no images`);
  if (dataset.images.length !== count * channels * height * width) {
    throw new DataError(`data set "${name}": the images do not fill [${count}, ${channels}, ${height}, ${width}]`);
  }
  const { scale, mean, std } = dataset.normalisation;
  if (mean.length !== channels || std.length !== channels) {
    throw new DataError(`data set "${name}": mean and std need one value for each of ${channels} channels`);
  }
  if (!(scale > 0) || std.some((value) => !(value > 0))) {
    throw new DataError(`data set "${name}": scale and std must be greater than 0`);
  }
  for (const [target, values] of dataset.targets)
    checkTarget(`data set "${name}", target "${target}"`, dataset, values);
  if (dataset.groups !== undefined && dataset.groups.length !== count) {
    throw new DataError(`data set "${name}": ${dataset.groups.length} groups for ${count} images`);
  }
  return dataset;
}

function checkTarget(what: string, dataset: Dataset, target: Target): void {
  if (target.classes.length === 0) throw new DataError(`${what} names no classes`);
  if (new Set(target.classes).size !== target.classes.length) throw new DataError(`${what} names a class twice`);
  switch (target.kind) {
    case 'boxes':
      return checkBoxes(what, dataset, target.rows, target.classes.length);
    case 'mask':
      return checkMask(what, dataset, target.values, target.classes.length, target.ignore);
    case 'class':
      return checkClasses(what, dataset.count, target.values, target.classes.length);
    case 'values':
      return checkValues(what, dataset.count, target);
  }
}

function checkBoxes(what: string, { count, height, width }: Dataset, rows: Float32Array, classes: number): void {
  if (rows.length % boxColumns !== 0) throw new DataError(`${what} needs rows of ${boxColumns} numbers`);
  let before = 0;
  for (let at = 0; at < rows.length; at += boxColumns) {
    const [image, label, x0, y0, x1, y1] = boxRow(rows, at / boxColumns);
    const row = `${what}, row ${at / boxColumns}`;
    if (!Number.isInteger(image) || image < 0 || image >= count)
      throw new DataError(`${row}: there is no image ${image}`);
    if (image < before) throw new DataError(`${row}: rows must be sorted by image`);
    if (!Number.isInteger(label) || label < 0 || label >= classes)
      throw new DataError(`${row}: there is no class ${label}`);
    if (!(x0 < x1 && y0 < y1))
      throw new DataError(`${row}: [${x0}, ${y0}, ${x1}, ${y1}] is not a box x0 < x1, y0 < y1`);
    if (!(x1 > 0 && y1 > 0 && x0 < width && y0 < height)) {
      throw new DataError(`${row}: [${x0}, ${y0}, ${x1}, ${y1}] lies outside the ${width}×${height} image`);
    }
    before = image;
  }
}

function checkMask(
  what: string,
  { count, height, width }: Dataset,
  values: Uint8Array,
  classes: number,
  ignore: number,
): void {
  if (values.length !== count * height * width) {
    throw new DataError(`${what} does not fill [${count}, ${height}, ${width}]`);
  }
  for (let at = 0; at < values.length; at++) {
    const value = values[at] as number;
    if (value < classes || value === ignore) continue;
    const image = Math.floor(at / (height * width));
    throw new DataError(
      `${what}: image ${image} has a pixel of value ${value}; classes go to ${classes - 1}, ignored is ${ignore}`,
    );
  }
}

function checkClasses(what: string, count: number, values: Int32Array, classes: number): void {
  if (values.length !== count) throw new DataError(`${what}: ${values.length} labels for ${count} images`);
  const at = values.findIndex((value) => value < 0 || value >= classes);
  if (at >= 0) throw new DataError(`${what}: image ${at} has class ${values[at]}; there are ${classes}`);
}

function checkValues(what: string, count: number, { classes, shape, values }: ValuesTarget): void {
  if ((shape.length !== 1 && shape.length !== 3) || shape[0] !== classes.length) {
    throw new DataError(
      `${what} needs [N, ${classes.length}] or [N, ${classes.length}, H, W] values, one channel a class`,
    );
  }
  const each = elementCount(shape);
  if (values.length !== count * each) throw new DataError(`${what} does not fill [${[count, ...shape].join(', ')}]`);
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at >= 0) throw new DataError(`${what}: image ${Math.floor(at / each)} holds ${values[at]}`);
}
