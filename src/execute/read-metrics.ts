// Metrics artifacts out of the store, verified and checked.
import type { StageFailure } from '../events/failures.ts';
import type { Store } from '../store/store.ts';
import { isDigest } from '../support/digest.ts';
import { err, type Result } from '../support/result.ts';
import type { ResolvedInput } from './edges.ts';
import { parseMetrics, type MetricsDocument } from './metrics-document.ts';

/** An input whose object turned out missing or damaged: its producer has to run again. */
export interface LostInput {
  readonly reason: 'input-lost';
  readonly input: ResolvedInput;
}

export async function readMetrics(
  store: Store,
  input: ResolvedInput,
): Promise<Result<MetricsDocument, StageFailure | LostInput>> {
  const { digest } = input.output;
  const text = isDigest(digest) ? await store.objects.readText(digest) : undefined;
  return text === undefined ? err({ reason: 'input-lost', input }) : parseMetrics(input.port, text);
}
