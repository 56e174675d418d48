// Metrics artifacts out of the store, verified and checked.
import type { StageFailure } from '../events/failures.ts';
import { isDigest, type Digest } from '../support/digest.ts';
import { err, type Result } from '../support/result.ts';
import type { ResolvedInput } from './edges.ts';
import { parseMetrics, type MetricsDocument } from './metrics-document.ts';

/** Where the texts of artifacts are read: the store's objects, or for a forecast also what gates would write there. */
export interface Texts {
  /** Undefined when the object is missing or damaged. */
  readText(digest: Digest): Promise<string | undefined>;
}

/** An input whose object turned out missing or damaged: its producer has to run again. */
export interface LostInput {
  readonly reason: 'input-lost';
  readonly input: ResolvedInput;
}

export async function readMetrics(
  texts: Texts,
  input: ResolvedInput,
): Promise<Result<MetricsDocument, StageFailure | LostInput>> {
  const { digest } = input.output;
  const text = isDigest(digest) ? await texts.readText(digest) : undefined;
  return text === undefined ? err({ reason: 'input-lost', input }) : parseMetrics(input.port, text);
}
