// What a program prints, on its way to a file: bounded, because a program may print without end, and without secrets. The
// beginning is kept and the end; what lies between is counted.
import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { isMissing } from '../support/missing-files.ts';
import type { Redactor } from '../support/redaction.ts';

export interface LogLimits {
  readonly headBytes: number;
  readonly tailBytes: number;
}

/** Per stream and attempt. */
export const LOG_LIMITS: LogLimits = { headBytes: 8 << 20, tailBytes: 1 << 20 };

/** Resolves when the stream has ended and the file is complete. */
export async function writeLog(
  source: Readable,
  path: string,
  redactor: Redactor,
  { headBytes, tailBytes }: LogLimits = LOG_LIMITS,
): Promise<void> {
  const file = createWriteStream(path, { flags: 'a' });
  let failure: Error | undefined; // the disk is full: told once the program has ended
  const closed = new Promise<void>((resolve) => file.once('close', resolve));
  file.on('error', (error) => (failure ??= error));
  const redaction = redactor.stream();
  let head = 0;
  const tail: Buffer[] = [];
  let tailLength = 0;
  let leftOut = 0;
  const take = (piece: Buffer): void => {
    const own = piece.subarray(0, Math.max(0, headBytes - head));
    head += own.length;
    if (own.length > 0 && failure === undefined) file.write(own);
    if (own.length === piece.length) return;
    tail.push(piece.subarray(own.length));
    tailLength += piece.length - own.length;
    for (let first = tail[0]; first !== undefined && tailLength - first.length >= tailBytes; first = tail[0]) {
      tail.shift();
      tailLength -= first.length;
      leftOut += first.length;
    }
  };
  source.on('data', (piece: Buffer) => take(redaction.write(piece)));
  source.on('error', () => undefined); // a pipe that breaks has ended
  if (!source.readableEnded && !source.destroyed) await once(source, 'close').catch(() => undefined);
  take(redaction.end());
  const cut = Math.max(0, tailLength - tailBytes);
  leftOut += cut;
  if (failure === undefined) {
    if (leftOut > 0) file.write(`\n[headgate left out ${leftOut} bytes]\n`);
    file.end(Buffer.concat(tail).subarray(cut));
  }
  await closed;
  // A program that removes its own folder has lost its log, no more.
  if (failure !== undefined && !isMissing(failure)) throw failure;
}
