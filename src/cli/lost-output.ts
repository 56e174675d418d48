// Output that nobody can get: the disk it was sent to is full, or fails. What runs goes on to its end, the loss is said once,
// and the exit code is no success, because a script must not take half a document for a whole one.
import { errorCode } from '../support/missing-files.ts';

const GOES_ON =
  'send it elsewhere, or make room there; what was done is kept, and `headgate status` tells the newest run again';

/** A reader that has seen enough (`headgate plan x | head`) or a terminal that was closed is no problem of anybody's. */
export function isLeftByReader(error: unknown, stream: { readonly isTTY?: boolean }): boolean {
  const code = errorCode(error);
  return code === 'EPIPE' || (code === 'EIO' && stream.isTTY === true);
}

export function lostOutputText(error: Error): string {
  return `headgate: the output could not be written: ${error.message}\n  help: ${GOES_ON}\n`;
}
