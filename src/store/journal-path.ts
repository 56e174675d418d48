// The path of a run's journal.
import { join } from 'node:path';

export function journalPath(runFolder: string): string {
  return join(runFolder, 'events.jsonl');
}
