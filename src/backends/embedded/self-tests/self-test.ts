// What a self-test is given and what it says. The tests themselves are in the files beside this one; `run-self-tests.ts` has
// their table.
import type { Dataset } from '../../../data/dataset.ts';
import type { JobRequest } from '../../../events/job-protocol.ts';
import type { Network } from '../../../qat/network/network.ts';
import type { ScopeForward } from '../../../qat/network/reference.ts';
import type { Tensor } from '../../../support/tensor.ts';
import { ForwardRunner } from '../forward-runner.ts';
import type { JobContext } from '../job-context.ts';
import type { TaskSettings } from '../settings.ts';

/** The stage's own scopes, as they were loaded, and its first batch of images. */
export interface Subject {
  readonly request: JobRequest;
  readonly context: JobContext;
  readonly network: Network;
  readonly scopes: ReadonlyMap<string, ScopeForward>;
  readonly task: TaskSettings;
  readonly dataset: Dataset;
  readonly images: Tensor;
  readonly batch: number;
}

export interface Finding {
  readonly held: boolean;
  /** What was compared, with counts; or the first thing that is wrong, by name. */
  readonly text: string;
}

export type SelfTest = (subject: Subject) => Promise<Finding>;

export function holds(text: string): Finding {
  return { held: true, text };
}

export function fails(text: string): Finding {
  return { held: false, text };
}

export const NOTHING_QUANTISED = 'no scope of the stage is quantised';

/** Outputs of the scopes' own heads; of the backbone's boundary where there is no head. */
export function outputsOf({ network }: Subject, scopes: ReadonlyMap<string, ScopeForward>): readonly string[] {
  const heads = [...scopes.keys()].flatMap((scope) => network.scopes.heads[scope]?.outputs ?? []);
  return heads.length > 0 ? heads : network.scopes.backbone.boundary;
}

/** One run of the reference forward over the first batch. */
export async function runOnce(
  subject: Subject,
  scopes: ReadonlyMap<string, ScopeForward>,
): Promise<ReadonlyMap<string, Tensor>> {
  const { network, batch, images, request } = subject;
  const outputs = outputsOf(subject, scopes);
  const runner = await ForwardRunner.start({ network, scopes, outputs, batch, threads: request.threads });
  const values = await runner.run(new Map([[network.input.name, images]]));
  await runner.release();
  return values;
}
