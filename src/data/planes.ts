// Order of an image's bytes: channels last (as decoders and users have them) → channels first (as networks read them).

/** [count, plane, channels] → [count, channels, plane]; the same bytes where there is one channel. */
export function toPlanes(bytes: Uint8Array, count: number, channels: number, plane: number): Uint8Array {
  if (channels === 1) return bytes;
  const result = new Uint8Array(bytes.length);
  for (let image = 0; image < count; image++) {
    const start = image * channels * plane;
    for (let channel = 0; channel < channels; channel++) {
      for (let pixel = 0; pixel < plane; pixel++) {
        result[start + channel * plane + pixel] = bytes[start + pixel * channels + channel] as number;
      }
    }
  }
  return result;
}
