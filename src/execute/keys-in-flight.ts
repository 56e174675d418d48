// Keys that some run of this process works on right now. Runs of one process on one store share them, so that equal work of
// two stages is done once, and a run that supersedes another waits for a job it wants instead of taking it for an orphan.
// Other processes are seen by their claims in the store: see `claim-key.ts`.
import type { StageFailure } from '../events/failures.ts';
import type { RunId, StageId } from '../events/ids.ts';
import { deferred } from '../support/deferred.ts';
import type { Digest } from '../support/digest.ts';

export interface KeyInFlight {
  readonly run: RunId;
  readonly stage: StageId;
  /** With the failure if the same work would fail again; otherwise the store says what came of it. */
  readonly ended: Promise<StageFailure | undefined>;
}

export class KeysInFlight {
  private readonly keys = new Map<Digest, KeyInFlight>();

  of(key: Digest): KeyInFlight | undefined {
    return this.keys.get(key);
  }

  /** The key is the caller's until it calls what is returned. */
  begin(key: Digest, run: RunId, stage: StageId): (failure?: StageFailure) => void {
    if (this.keys.has(key)) throw new Error(`key ${key} is worked on twice`);
    const end = deferred<StageFailure | undefined>();
    this.keys.set(key, { run, stage, ended: end.promise });
    return (failure) => {
      this.keys.delete(key);
      end.resolve(failure === undefined || OF_THE_MOMENT.has(failure.reason) ? undefined : failure);
    };
  }
}

/** Files outside the store were not what the key says; they may be again. */
const OF_THE_MOMENT = new Set<StageFailure['reason']>(['file-changed', 'file-missing']);

const ofStores = new Map<string, KeysInFlight>();

/** The one registry of this process for the store in this folder. */
export function keysInFlightIn(storeFolder: string): KeysInFlight {
  const known = ofStores.get(storeFolder) ?? new KeysInFlight();
  ofStores.set(storeFolder, known);
  return known;
}
