// The built program in a folder of its own, and the command line as a process.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dist } from '../support/built-program.ts';
import type { RunEvent } from '../../src/events/run-events.ts';

const repository = join(import.meta.dirname, '../..');

export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Installation {
  private readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async build(): Promise<Installation> {
    // Below node_modules, so that the bundles find the packages they leave out.
    const folder = join(repository, 'node_modules/.cache/headgate-test', `installation-${process.pid}`);
    await cp(dist, folder, { recursive: true });
    await writeFile(join(folder, 'package.json'), '{"type":"module"}');
    return new Installation(folder);
  }

  /** The script that Node runs as `headgate`. */
  get program(): string {
    return join(this.folder, 'headgate.js');
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }

  start(
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): { readonly process: ChildProcess; readonly ended: Promise<Ended> } {
    const child = spawn(process.execPath, [this.program, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', CI: '1', ...env },
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (part: string) => (stdout += part));
    child.stderr.setEncoding('utf8').on('data', (part: string) => (stderr += part));
    const ended = once(child, 'close').then(([exitCode]) => ({ exitCode: exitCode as number | null, stdout, stderr }));
    return { process: child, ended };
  }

  run(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Ended> {
    return this.start(args, env).ended;
  }
}

/** The events of a run with `--log-format jsonl`, torn last lines left out. */
export function eventsIn(stdout: string): readonly RunEvent[] {
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as RunEvent);
}
