// Gives what happened its run, number and time, writes it to the journal and tells the listeners. The only way out of `execute/`.
import type { RunId } from '../events/ids.ts';
import type { RunEvent, RunEventBody } from '../events/run-events.ts';
import type { Journal } from '../store/journal.ts';

export type RunListener = (event: RunEvent) => void;

export class Recorder {
  readonly run: RunId;
  private readonly journal: Journal;
  private readonly listeners: readonly RunListener[];
  private seq: number;

  constructor(run: RunId, journal: Journal, listeners: readonly RunListener[], firstSeq = 0) {
    this.run = run;
    this.journal = journal;
    this.listeners = listeners;
    this.seq = firstSeq;
  }

  emit(body: RunEventBody): void {
    const event: RunEvent = { ...body, run: this.run, seq: this.seq++, time: new Date().toISOString() };
    this.journal.append(event);
    for (const listener of this.listeners) listener(event);
  }
}
