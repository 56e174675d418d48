// Words for what is wrong with a run's journal, and for a run that cannot be told any more.
import type { RunId } from '../events/ids.ts';
import type { JournalDamage } from '../store/journal.ts';

/** A run whose journal has no beginning any more: with what it was started, and of which workflow it was, is not known. */
export interface UntoldRun {
  readonly run: RunId;
  readonly folder: string;
  /** Undefined where the journal is empty or missing: as after a crash before anything was told. */
  readonly damage: JournalDamage | undefined;
}

/** For example "2 lines are not what was written (the first at byte 812), 1 event is missing". */
export function damageWords({ lines, firstByte, missing, misplaced }: JournalDamage): string {
  const at = firstByte === undefined ? '' : ` (${lines === 1 ? '' : 'the first '}at byte ${firstByte})`;
  const parts = [
    ...(lines > 0 ? [`${lines} ${lines === 1 ? 'line is' : 'lines are'} not what was written${at}`] : []),
    ...(missing > 0 ? [`${missing} ${missing === 1 ? 'event is' : 'events are'} missing`] : []),
    ...(misplaced > 0 ? [`${misplaced} ${misplaced === 1 ? 'line is' : 'lines are'} out of place`] : []),
  ];
  return parts.join(', ');
}

/** For example "the journal of run 20261201-… is damaged: its beginning is lost; 1 line is not what was written (at byte 0)". */
export function untoldWords({ run, damage }: UntoldRun): string {
  return damage === undefined
    ? `run ${run} has no readable journal: it is empty or missing`
    : `the journal of run ${run} is damaged and has lost its beginning: ${damageWords(damage)}`;
}
