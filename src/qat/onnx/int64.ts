// Whole numbers of ONNX, which have 64 bits, beside JavaScript's, which are exact up to 2⁵³ only. Exporters write 2⁶³ − 1 for "to
// the end" and −2⁶³ for "from the start": neither may lose a bit or wrap around. Not for tensors, whose arrays are exact.

const LARGEST = 2n ** 63n - 1n;
const SMALLEST = -(2n ** 63n);

/** The nearest of ONNX's whole numbers: what lies beyond them stands for the end. @param value a whole number. */
export function toInt64(value: number | bigint): bigint {
  const exact = BigInt(value);
  return exact > LARGEST ? LARGEST : exact < SMALLEST ? SMALLEST : exact;
}

/** A whole number as protobufjs takes it: its two halves where a JavaScript number would lose bits. */
export function wireInt64(value: number | bigint): number | { readonly low: number; readonly high: number } {
  if (Number.isSafeInteger(Number(value))) return Number(value);
  const exact = toInt64(value);
  return { low: Number(BigInt.asIntN(32, exact)), high: Number(BigInt.asIntN(32, exact >> 32n)) };
}
