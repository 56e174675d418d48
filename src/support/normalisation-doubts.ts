// Whether mean and std are written in the units of what they are applied to: the network reads (byte · scale − mean) / std, so
// with the scale 1/255 they are fractions of 1, and with the scale 1 they are bytes.

export interface NormalisationDoubt {
  readonly message: string;
  readonly help: string;
}

/** @param scale what bytes are multiplied by. */
export function normalisationDoubt(
  scale: number,
  mean: readonly number[],
  std: readonly number[],
): NormalisationDoubt | undefined {
  const brightest = 255 * scale;
  const shown = `mean [${mean.join(', ')}] and std [${std.join(', ')}]`;
  // An image's mean lies within what its pixels can be; and no spread is wider than half of that.
  if (mean.some((value) => value > brightest) || std.some((value) => value > 2 * brightest)) {
    return {
      message: `${shown} are for bytes of 0 to 255, but pixels are scaled to 0 to ${shortened(brightest)} first`,
      help: `divide both by ${shortened(1 / scale)}, or write "scale": 1`,
    };
  }
  const small =
    mean.some((value) => value > 0) && mean.every((value) => value <= 1) && std.every((value) => value <= 1);
  if (brightest < 32 || !small) return undefined;
  return {
    message: `${shown} are for pixels of 0 to 1, but pixels go up to ${shortened(brightest)} with "scale": ${scale}`,
    help: 'leave "scale" out (1/255), or give mean and std in bytes',
  };
}

function shortened(value: number): string {
  return String(Number(value.toPrecision(4)));
}
