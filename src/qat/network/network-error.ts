// The error of a graph that is no multi-task network as named.
import { Refusal } from '../../support/refusal.ts';

/** The graph does not divide into a backbone and heads as named: a user's problem, with the tensor or node at fault. */
export class NetworkError extends Refusal {
  override readonly name = 'NetworkError';
}
