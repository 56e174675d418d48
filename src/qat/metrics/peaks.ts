// Peaks of a centre heat map (CenterNet's 3×3 non-maximum suppression), best first.

export interface Peak {
  readonly label: number;
  /** Raw score; the sigmoid does not change its order. */
  readonly logit: number;
  /** Cell in row-major order of its map. */
  readonly cell: number;
}

/**
 * Cells that no neighbour of the 3×3 window exceeds, over all classes, at most `most`, ordered by (score descending, class,
 * cell). Compared before the sigmoid, which would make large logits equal; of equal neighbours only the first in row-major
 * order is a peak, so that a plateau (usual in quantised outputs) is not many objects.
 */
export function findPeaks(
  logits: Float32Array,
  classes: number,
  rows: number,
  columns: number,
  most: number,
): readonly Peak[] {
  const peaks: Peak[] = [];
  for (let label = 0; label < classes; label++) {
    const map = logits.subarray(label * rows * columns, (label + 1) * rows * columns);
    for (let cell = 0; cell < map.length; cell++) {
      if (isPeak(map, cell, rows, columns)) peaks.push({ label, logit: map[cell] as number, cell });
    }
  }
  // Array.prototype.sort is stable: equal scores keep the order (class, cell) in which they were found.
  return peaks.sort((left, right) => right.logit - left.logit).slice(0, most);
}

function isPeak(map: Float32Array, cell: number, rows: number, columns: number): boolean {
  const value = map[cell] as number;
  const [row, column] = [Math.floor(cell / columns), cell % columns];
  const [top, bottom] = [Math.max(0, row - 1), Math.min(rows - 1, row + 1)];
  const [left, right] = [Math.max(0, column - 1), Math.min(columns - 1, column + 1)];
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const other = y * columns + x;
      const rival = map[other] as number;
      if (rival > value || (rival === value && other < cell)) return false;
    }
  }
  return true;
}
