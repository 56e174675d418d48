// Where a run's journal is.
import { join } from 'node:path';

export function journalPath(runFolder: string): string {
  return join(runFolder, 'events.jsonl');
}
