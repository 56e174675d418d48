// Time as a port, so that a test of waiting need not wait.
import { setTimeout as wait } from 'node:timers/promises';

export interface Clock {
  /** Resolves after the time, or at once when the signal is aborted; rejects nothing. */
  wait(milliseconds: number, until: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  async wait(milliseconds, until) {
    await wait(milliseconds, undefined, { signal: until }).catch((error: unknown) => {
      if (!until.aborted) throw error;
    });
  },
};
