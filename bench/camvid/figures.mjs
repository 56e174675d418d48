// The arithmetic of CamVid's tables.
import { mean, signed } from '../figures.mjs';

/** Of the frames wanted, from a `details` artifact: per image and class, pixels in both, predicted, of the target. */
export function meanIou({ classes, images, pixels }, frames, wanted) {
  const sums = classes.map(() => [0, 0, 0]);
  images.forEach((image, place) => {
    if (!wanted(frames[image])) return;
    sums.forEach((sum, of) => {
      for (let column = 0; column < 3; column++) sum[column] += pixels[(place * classes.length + of) * 3 + column];
    });
  });
  const rates = sums.map(([both, predicted, target]) => both / (predicted + target - both)).filter(Number.isFinite);
  return mean(rates);
}

export function bounds(replicates) {
  const sorted = [...replicates].sort((a, b) => a - b);
  return [sorted[Math.floor(0.025 * sorted.length)], sorted[Math.ceil(0.975 * sorted.length) - 1]];
}

export function interval(replicates) {
  if (replicates.length === 0) return '–';
  const [low, high] = bounds(replicates);
  return `${signed(low)} to ${signed(high)}`;
}
