// The backbone that a stage holds frozen: run as a reference graph of its own in the declared state, so that the stage's own
// graph holds none of it. Its proof is in freeze-proof.ts.
import type { JobRequest } from '../../events/job-protocol.ts';
import type { Network } from '../../qat/network/network.ts';
import { BACKBONE } from '../../qat/network/network.ts';
import type { ScopeForward } from '../../qat/network/reference.ts';
import type { ScopeCheckpoint } from '../../qat/quantize/checkpoint.ts';
import { withFault } from './faults.ts';
import { startBackbone } from './forward-runner.ts';
import type { ForwardRunner } from './forward-runner.ts';
import { readCheckpoint } from './inputs.ts';

export interface FrozenBackbone {
  /** The state that the strategy declares for it. */
  readonly declared: ScopeForward['state'];
  /** What the stage holds and runs. */
  readonly used: ScopeForward;
  readonly runner: ForwardRunner;
  readonly batch: number;
}

export async function holdBackbone(
  { request, network }: { readonly request: JobRequest; readonly network: Network },
  declared: ScopeForward['state'],
  checkpoint: ScopeCheckpoint,
  batch: number,
): Promise<FrozenBackbone> {
  const used = withFault(request, { state: declared, checkpoint });
  return { declared, used, batch, runner: await startBackbone(network, used, batch, request.threads) };
}

/** The input `backbone` with its scales. @throws LoadError when it has none. */
export function readQuantisedBackbone(request: JobRequest, network: Network): Promise<ScopeCheckpoint> {
  return readCheckpoint(request, network, 'backbone', BACKBONE, ['calibrated', 'qat']);
}
