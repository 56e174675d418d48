// A run that is known to come to the same end as an earlier one, told again under a new id: its events into a journal of its
// own and to the listeners. Whether that is known is for `store/settled-run.ts`; nothing is decided here.
import type { SettledRun } from '../store/settled-run.ts';
import type { Store } from '../store/store.ts';
import { Stopwatch } from '../support/clock.ts';
import { clearUp } from './clear-up.ts';
import { openRun } from './open-run.ts';
import type { Executor } from './ports.ts';
import type { RunListener } from './recorder.ts';

export interface Repetition {
  readonly store: Store;
  readonly executor: Pick<Executor, 'endOrphan'>;
  readonly settled: SettledRun;
  readonly listeners: readonly RunListener[];
}

/** What the remembered gates found to be short. */
function shortOf({ events }: SettledRun): { readonly short?: readonly string[] } {
  const names = events.flatMap((event) =>
    event.type === 'gate-decided' && event.short !== undefined ? [event.short] : [],
  );
  return names.length === 0 ? {} : { short: [...new Set(names)] };
}

export async function repeatRun({ store, executor, settled, listeners }: Repetition): Promise<void> {
  const running = new Stopwatch();
  const { recorder, closeJournal, unlock } = await openRun(store.layout, {}, listeners);
  for (const event of settled.events) {
    recorder.emit(event.type === 'run-started' ? { ...event, pid: process.pid } : event);
  }
  recorder.emit({
    type: 'run-finished',
    outcome: 'succeeded',
    exitCode: 0,
    milliseconds: running.milliseconds,
    counts: settled.counts,
    ...shortOf(settled),
  });
  closeJournal();
  await clearUp(store, executor, false);
  unlock();
}
