// The error of a model that cannot be exported in the form that was asked for.
import { Refusal } from '../../support/refusal.ts';

/** A format that the form has no type for, or a model made for another target: a user's problem. */
export class ExportError extends Refusal {
  override readonly name = 'ExportError';
}
