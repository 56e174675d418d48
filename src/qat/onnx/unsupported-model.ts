// The error of a sound file that headgate has no way to quantise.
import { OnnxError } from './codec.ts';

/** A sound file that headgate has no way to quantise: nothing to repair, but to export otherwise. */
export class UnsupportedModelError extends OnnxError {
  override readonly name = 'UnsupportedModelError';
}
