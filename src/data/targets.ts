// What a loss compares a head's output with, for the images of one batch.
import { floatTensor } from '../support/tensor.ts';
import type { FloatTensor, Tensor } from '../support/tensor.ts';
import { DataError } from './data-error.ts';
import { boxRow } from './dataset.ts';
import type { BoxTarget, ClassTarget, Dataset, MaskTarget, Target, ValuesTarget } from './dataset.ts';

/** How a task wants a target of the data set (named `target`) laid out. */
export type TargetRequest =
  | { readonly form: 'heatmap'; readonly target: string; readonly stride: number }
  | { readonly form: 'mask'; readonly target: string; readonly stride: number }
  | { readonly form: 'class'; readonly target: string }
  | { readonly form: 'values'; readonly target: string; readonly stride: number };

/**
 * heatmap: float32 [B, classes, ceil(H/stride), ceil(W/stride)];
 * mask: int32 [B, ceil(H/stride), ceil(W/stride)], every stride-th pixel from 0, ignored pixels keep the ignore value;
 * class: int32 [B];
 * values: float32 [B, …], of maps every stride-th value from 0.
 */
export function buildTargets(dataset: Dataset, indices: ArrayLike<number>, request: TargetRequest): Tensor {
  switch (request.form) {
    case 'heatmap':
      return buildHeatmaps(dataset, indices, boxTarget(dataset, request.target), request.stride);
    case 'mask':
      return buildMasks(dataset, indices, maskTarget(dataset, request.target), request.stride);
    case 'class': {
      const { values } = classTarget(dataset, request.target);
      const data = Int32Array.from(
        { length: indices.length },
        (_, place) => values[indices[place] as number] as number,
      );
      return { dtype: 'int32', shape: [indices.length], data };
    }
    case 'values':
      return buildValues(indices, valuesTarget(dataset, request.target), request.stride);
  }
}

/** How a target of its kind is compared where the loss leaves it open. */
export function requestOf(dataset: Dataset, target: string, stride: number): TargetRequest {
  switch (findTarget(dataset, target).kind) {
    case 'boxes':
      return { form: 'heatmap', target, stride };
    case 'mask':
      return { form: 'mask', target, stride };
    case 'class':
      return { form: 'class', target };
    case 'values':
      return { form: 'values', target, stride };
  }
}

export function valuesTarget(dataset: Dataset, name: string): ValuesTarget {
  const target = findTarget(dataset, name);
  if (target.kind !== 'values') throw wrongKind(dataset, name, target, 'values');
  return target;
}

function buildValues(indices: ArrayLike<number>, target: ValuesTarget, stride: number): FloatTensor {
  const [channels = 1, height = 1, width = 1] = target.shape;
  const isMap = target.shape.length === 3;
  const [rows, columns] = isMap ? [Math.ceil(height / stride), Math.ceil(width / stride)] : [1, 1];
  const data = new Float32Array(indices.length * channels * rows * columns);
  let to = 0;
  for (let place = 0; place < indices.length; place++) {
    const first = (indices[place] as number) * channels * height * width;
    for (let channel = 0; channel < channels; channel++) {
      for (let row = 0; row < rows; row++) {
        const line = first + (channel * height + row * stride) * width;
        for (let column = 0; column < columns; column++) data[to++] = target.values[line + column * stride] as number;
      }
    }
  }
  return floatTensor([indices.length, channels, ...(isMap ? [rows, columns] : [])], data);
}

export function boxTarget(dataset: Dataset, name: string): BoxTarget {
  const target = findTarget(dataset, name);
  if (target.kind !== 'boxes') throw wrongKind(dataset, name, target, 'boxes');
  return target;
}

export function maskTarget(dataset: Dataset, name: string): MaskTarget {
  const target = findTarget(dataset, name);
  if (target.kind !== 'mask') throw wrongKind(dataset, name, target, 'mask');
  return target;
}

export function classTarget(dataset: Dataset, name: string): ClassTarget {
  const target = findTarget(dataset, name);
  if (target.kind !== 'class') throw wrongKind(dataset, name, target, 'class');
  return target;
}

/** The true objects of each image: class and centre of its box in pixels. */
export function boxCentres(
  dataset: Dataset,
  indices: ArrayLike<number>,
  target: string,
): readonly (readonly { readonly label: number; readonly x: number; readonly y: number }[])[] {
  const { rows, firstRow } = boxTarget(dataset, target);
  return Array.from({ length: indices.length }, (_, place) => {
    const image = indices[place] as number;
    const first = firstRow[image] as number;
    return Array.from({ length: (firstRow[image + 1] as number) - first }, (_unused, offset) => {
      const [, label, x0, y0, x1, y1] = boxRow(rows, first + offset);
      return { label, x: (x0 + x1) / 2, y: (y0 + y1) / 2 };
    });
  });
}

/**
 * CenterNet's targets (Zhou, Wang, Krähenbühl 2019): 1 at the cell that holds a box's centre, falling off as a Gaussian,
 * the larger where two of one class overlap. Sigma in cells is sqrt(w·h) / (6·stride), at least 1: a box spans six sigma,
 * which needs no overlap threshold and gives boxes of a few cells a usable slope.
 */
function buildHeatmaps(dataset: Dataset, indices: ArrayLike<number>, target: BoxTarget, stride: number): FloatTensor {
  const [rows, columns] = [Math.ceil(dataset.height / stride), Math.ceil(dataset.width / stride)];
  const classes = target.classes.length;
  const data = new Float32Array(indices.length * classes * rows * columns);
  for (let place = 0; place < indices.length; place++) {
    const image = indices[place] as number;
    const end = target.firstRow[image + 1] as number;
    for (let row = target.firstRow[image] as number; row < end; row++) {
      const [, label, x0, y0, x1, y1] = boxRow(target.rows, row);
      const map = data.subarray(
        (place * classes + label) * rows * columns,
        (place * classes + label + 1) * rows * columns,
      );
      const sigma = Math.max(1, Math.sqrt((x1 - x0) * (y1 - y0)) / (6 * stride));
      splat(map, rows, columns, cell((y0 + y1) / 2, stride, rows), cell((x0 + x1) / 2, stride, columns), sigma);
    }
  }
  return floatTensor([indices.length, classes, rows, columns], data);
}

function splat(map: Float32Array, rows: number, columns: number, row: number, column: number, sigma: number): void {
  const reach = Math.ceil(3 * sigma);
  for (let y = Math.max(0, row - reach); y <= Math.min(rows - 1, row + reach); y++) {
    for (let x = Math.max(0, column - reach); x <= Math.min(columns - 1, column + reach); x++) {
      const value = Math.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * sigma * sigma));
      const at = y * columns + x;
      if (value > (map[at] as number)) map[at] = value;
    }
  }
}

function buildMasks(dataset: Dataset, indices: ArrayLike<number>, { values }: MaskTarget, stride: number): Tensor {
  const { height, width } = dataset;
  const [rows, columns] = [Math.ceil(height / stride), Math.ceil(width / stride)];
  const data = new Int32Array(indices.length * rows * columns);
  let to = 0;
  for (let place = 0; place < indices.length; place++) {
    const image = (indices[place] as number) * height * width;
    for (let y = 0; y < height; y += stride) {
      const line = image + y * width;
      for (let x = 0; x < width; x += stride) data[to++] = values[line + x] as number;
    }
  }
  return { dtype: 'int32', shape: [indices.length, rows, columns], data };
}

/** Boxes may reach over the border, their centre's cell may not. */
function cell(centre: number, stride: number, cells: number): number {
  return Math.min(cells - 1, Math.max(0, Math.floor(centre / stride)));
}

function findTarget(dataset: Dataset, name: string): Target {
  const target = dataset.targets.get(name);
  if (target !== undefined) return target;
  const names = [...dataset.targets.keys()].join(', ');
  throw new DataError(
    `data set "${dataset.name}" has no target "${name}"`,
    `It has: ${names === '' ? 'none' : names}.`,
  );
}

function wrongKind(dataset: Dataset, name: string, target: Target, wanted: string): DataError {
  return new DataError(
    `target "${name}" of data set "${dataset.name}" is of kind ${target.kind}; the task needs ${wanted}`,
  );
}
