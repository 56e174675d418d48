// Counts the pieces of work of a run that have not ended, and says when none is left. An error that a piece did not handle
// is no reason to leave the others alone: they are told once, and the error is handed over when the last has ended.

export interface WorkListener {
  /** The first unhandled error was met; other pieces still work. */
  readonly onBroken: () => void;
  /** Nothing is open any more; with the first unhandled error, where there was one. */
  readonly onIdle: (broken: { readonly error: unknown } | undefined) => void;
}

export class OpenWork {
  private readonly listener: WorkListener;
  private open = 0;
  private broken: { readonly error: unknown } | undefined;

  constructor(listener: WorkListener) {
    this.listener = listener;
  }

  track(work: () => Promise<void>): void {
    this.open++;
    work()
      .catch((error: unknown) => {
        if (this.broken !== undefined) return;
        this.broken = { error };
        this.listener.onBroken();
      })
      .finally(() => {
        this.open--;
        if (this.open === 0) this.listener.onIdle(this.broken);
      });
  }
}
