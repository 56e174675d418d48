// Data that cannot be read, found or trusted: a user's problem, with what to do about it. Not for bugs.
import { Refusal } from '../support/refusal.ts';

export class DataError extends Refusal {
  override readonly name = 'DataError';
}
