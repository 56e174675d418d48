// A named pipe that a test reads: the other side says when it has come somewhere, so that no test has to sleep.
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';

export class FifoReader {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static make(path: string): Promise<FifoReader> {
    execFileSync('mkfifo', [path]);
    return Promise.resolve(new FifoReader(path));
  }

  /** Waits for one writer to write and close. */
  async read(): Promise<string> {
    return readFile(this.path, 'utf8');
  }

  /** Waits for one reader to take it. */
  async write(text: string): Promise<void> {
    await writeFile(this.path, text);
  }
}
