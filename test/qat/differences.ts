// How the numeric tests measure: the largest difference over the largest reference, and bits with −0 as +0.

/** max|actual − reference| / max|reference|; 0 against an all-zero reference only if both are. */
export function relativeDifference(actual: ArrayLike<number>, reference: ArrayLike<number>): number {
  if (actual.length !== reference.length) throw new Error(`${actual.length} values against ${reference.length}`);
  let difference = 0;
  let magnitude = 0;
  for (let index = 0; index < reference.length; index++) {
    const [left, right] = [actual[index] as number, reference[index] as number];
    if (!Number.isFinite(left)) return Infinity;
    difference = Math.max(difference, Math.abs(left - right));
    magnitude = Math.max(magnitude, Math.abs(right));
  }
  return difference === 0 ? 0 : difference / magnitude;
}

/** Index of the first value whose bits differ, −0 counting as +0; −1 where none does. A NaN always differs. */
export function firstUnequal(actual: ArrayLike<number>, reference: ArrayLike<number>): number {
  if (actual.length !== reference.length) return Math.min(actual.length, reference.length);
  for (let index = 0; index < reference.length; index++) if (actual[index] !== reference[index]) return index;
  return -1;
}

/** The same bits, −0 and +0 apart. */
export function sameBits(left: Float32Array, right: Float32Array): boolean {
  const bytes = (values: Float32Array): Uint8Array =>
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return Buffer.compare(bytes(left), bytes(right)) === 0;
}
