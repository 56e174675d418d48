// Fault injection for the tests of the proofs: one bit of a loaded tensor, or the state a frozen scope runs in. Refused
// unless HEADGATE_FAULTS=1; never part of a key.
import type { JobRequest } from '../../events/job-protocol.ts';
import type { ScopeForward } from '../../qat/network/reference.ts';
import { decodeCheckpoint, encodeCheckpoint } from '../../qat/quantize/checkpoint.ts';
import type { ScopeCheckpoint } from '../../qat/quantize/checkpoint.ts';
import { JobError } from './job-error.ts';
import { settingsOf } from './settings.ts';

interface Fault {
  readonly scope: string;
  /** Full name in the checkpoint: `parameter.…`, `activation.….scale`, `weight.….scale`. */
  readonly tensor?: string;
  readonly index?: number;
  /** 0 is the last bit of the mantissa: one unit in the last place. */
  readonly bit?: number;
  readonly state?: ScopeForward['state'];
}

/** @throws JobError when the request injects a fault and the environment does not allow it. */
export function checkFaultAllowed(request: JobRequest): void {
  if (request.fault !== undefined && process.env['HEADGATE_FAULTS'] !== '1')
    throw new JobError({ reason: 'protocol', message: 'fault injection is off (HEADGATE_FAULTS=1 allows it)' });
}

export function withFault(request: JobRequest, loaded: ScopeForward): ScopeForward {
  checkFaultAllowed(request);
  if (request.fault === undefined) return loaded;
  const fault = settingsOf<Fault>(request.fault);
  if (fault.scope !== loaded.checkpoint.scope) return loaded;
  const state = fault.state ?? loaded.state;
  return {
    state,
    checkpoint:
      fault.tensor === undefined
        ? loaded.checkpoint
        : flipped(loaded.checkpoint, fault.tensor, fault.index ?? 0, fault.bit ?? 0),
  };
}

function flipped(checkpoint: ScopeCheckpoint, name: string, index: number, bit: number): ScopeCheckpoint {
  const { tensors, metadata } = encodeCheckpoint(checkpoint);
  const tensor = tensors.get(name);
  if (tensor === undefined)
    throw new JobError({
      reason: 'protocol',
      message: `fault injection: no tensor "${name}" (there are ${[...tensors.keys()].join(', ')})`,
    });
  const data = (tensor.data as Float32Array).slice();
  const bits = new Uint32Array(data.buffer);
  bits[index] = (bits[index] as number) ^ (1 << bit);
  return decodeCheckpoint({ tensors: new Map([...tensors, [name, { ...tensor, data }]]), metadata });
}
