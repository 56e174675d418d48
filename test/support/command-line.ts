// The real command line as a process, run in a folder of its own.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { builtProgram } from './built-program.ts';

export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class CommandLine {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  static async inNewFolder(): Promise<CommandLine> {
    return new CommandLine(await mkdtemp(join(tmpdir(), 'headgate-cli-')));
  }

  async remove(): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }

  async write(name: string, content: unknown): Promise<void> {
    await writeFile(join(this.root, name), typeof content === 'string' ? content : JSON.stringify(content, null, 2));
  }

  start(...args: readonly string[]): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
    const env = { ...process.env, NO_COLOR: '1' };
    const child = spawn(process.execPath, [builtProgram, ...args], {
      cwd: this.root,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const texts = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (part: string) => {
        texts[name] += part;
      });
    }
    const ended = once(child, 'close').then(([exitCode]) => ({ exitCode: exitCode as number | null, ...texts }));
    return { child, ended };
  }

  run(...args: readonly string[]): Promise<Ended> {
    return this.start(...args).ended;
  }
}
