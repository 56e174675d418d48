// Time: waiting as a port, so that a test of it need not wait, and durations that no clock that is set disturbs.
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

/** How long something took, whatever was done to the machine's clock meanwhile. */
export class Stopwatch {
  readonly startedAt = new Date();
  private readonly began = performance.now();

  /** So far, whole ones. */
  get milliseconds(): number {
    return Math.round(performance.now() - this.began);
  }
}
