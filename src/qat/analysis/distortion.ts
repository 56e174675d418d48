// How far found values are from a reference, over any number of batches: signal-to-quantisation-noise ratio and cosine.

/** Power of a signal that is all zeros: small, and the quotient stays finite. */
const SILENT = 1e-200;

export class Distortion {
  private signal = 0;
  private error = 0;
  private dot = 0;
  private found = 0;

  add(reference: Float32Array, found: Float32Array): void {
    // In registers: fields would be written for every element.
    let [signal, error, dot, power] = [0, 0, 0, 0];
    for (let index = 0; index < reference.length; index++) {
      const [a, b] = [reference[index] as number, found[index] as number];
      signal += a * a;
      error += (a - b) * (a - b);
      dot += a * b;
      power += b * b;
    }
    this.signal += signal;
    this.error += error;
    this.dot += dot;
    this.found += power;
  }

  /** Error power over signal power, Σ(a − b)² / Σa²; additive over independent causes, as decibels are not. */
  get noise(): number {
    return this.error === 0 ? 0 : this.error / Math.max(this.signal, SILENT);
  }

  /** Σab / √(Σa² Σb²); two silent tensors are alike. */
  get cosine(): number {
    if (this.signal === 0 && this.found === 0) return 1;
    return this.dot / Math.max(Math.sqrt(this.signal) * Math.sqrt(this.found), SILENT);
  }
}

/** 10·log₁₀(signal power / error power) in decibels; null where nothing differs. */
export function sqnrOf(noise: number): number | null {
  return noise === 0 ? null : -10 * Math.log10(noise);
}
