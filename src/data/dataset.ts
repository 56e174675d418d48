// A data set in memory, whatever it was made from: images as bytes, how to normalise them, and targets by name.
// Not for reading or writing files (packed-dataset.ts) nor for batches (batches.ts).

/** Network input: `x[c] = (byte * scale - mean[c]) / std[c]`. */
export interface Normalisation {
  readonly scale: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

export interface BoxTarget {
  readonly kind: 'boxes';
  readonly classes: readonly string[];
  /** [M, 6]: image, class, x0, y0, x1, y1 in pixels (x1, y1 exclusive); sorted by image. */
  readonly rows: Float32Array;
  /** [N + 1]: the rows of image i are firstRow[i] … firstRow[i + 1] − 1. */
  readonly firstRow: Uint32Array;
}

export interface MaskTarget {
  readonly kind: 'mask';
  readonly classes: readonly string[];
  /** Pixels of this value count nowhere: not in a loss, not in a metric. */
  readonly ignore: number;
  /** [N, H, W] */
  readonly values: Uint8Array;
}

export interface ClassTarget {
  readonly kind: 'class';
  readonly classes: readonly string[];
  /** [N] */
  readonly values: Int32Array;
}

/** Numbers to be regressed: a vector per image, or a map such as depth. */
export interface ValuesTarget {
  readonly kind: 'values';
  /** What each channel (the first dimension after the image's) is. */
  readonly classes: readonly string[];
  /** Of one image: [C], or [C, H, W]. */
  readonly shape: readonly number[];
  /** [N, …shape] */
  readonly values: Float32Array;
}

export type Target = BoxTarget | MaskTarget | ClassTarget | ValuesTarget;

export interface Dataset {
  readonly name: string;
  readonly count: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** [N, C, H, W] */
  readonly images: Uint8Array;
  readonly normalisation: Normalisation;
  readonly targets: ReadonlyMap<string, Target>;
  /** [N]: images of one block (one drive, one patient) are not independent; a bootstrap draws whole blocks. */
  readonly groups?: Int32Array;
}

export const boxColumns = 6;

/** Where each image's rows begin, for rows sorted by image. */
export function indexRows(rows: Float32Array, count: number): Uint32Array {
  const firstRow = new Uint32Array(count + 1);
  for (let row = 0; row < rows.length; row += boxColumns) {
    const next = (rows[row] as number) + 1;
    firstRow[next] = (firstRow[next] as number) + 1;
  }
  for (let image = 0; image < count; image++)
    firstRow[image + 1] = (firstRow[image + 1] as number) + (firstRow[image] as number);
  return firstRow;
}

/** image, class, x0, y0, x1, y1 */
export function boxRow(rows: Float32Array, row: number): readonly [number, number, number, number, number, number] {
  const at = (column: number): number => rows[row * boxColumns + column] as number;
  return [at(0), at(1), at(2), at(3), at(4), at(5)];
}
