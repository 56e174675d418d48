// A long-running process whose output is followed line by line.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export class Followed {
  constructor(argv, { cwd, env = {} }) {
    const [program, ...args] = argv;
    this.lines = [];
    this.waiting = new Set();
    this.errors = '';
    this.child = spawn(program, args, { cwd, env: { ...process.env, CI: '1', ...env }, detached: true });
    this.child.stderr.setEncoding('utf8').on('data', (part) => (this.errors = (this.errors + part).slice(-4000)));
    this.closed = once(this.child, 'close');
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      const seen = { line, at: Date.now(), event: parsed(line) };
      this.lines.push(seen);
      for (const waiter of [...this.waiting]) waiter(seen);
    });
    this.closed.then(() => {
      for (const waiter of [...this.waiting]) waiter(undefined);
    });
  }

  get hasEnded() {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** The first event from line `from` on for which `holds`. */
  event(holds, { from = 0, withinMs = 60_000 } = {}) {
    const found = this.lines.slice(from).find(({ event }) => event !== undefined && holds(event));
    if (found !== undefined) return Promise.resolve(found.event);
    return new Promise((resolve, reject) => {
      const end = (act) => {
        clearTimeout(timer);
        this.waiting.delete(waiter);
        act();
      };
      const waiter = (seen) => {
        if (seen === undefined) end(() => reject(new Error(`it ended: ${this.errors || this.tail()}`)));
        else if (seen.event !== undefined && holds(seen.event)) end(() => resolve(seen.event));
      };
      const timer = setTimeout(
        () => end(() => reject(new Error(`nothing within ${withinMs} ms; last: ${this.tail()}`))),
        withinMs,
      );
      this.waiting.add(waiter);
    });
  }

  tail() {
    return this.lines
      .slice(-5)
      .map(({ line }) => line.slice(0, 300))
      .join('\n');
  }

  /** Asks the whole group to end, and makes it. */
  async stop(signal = 'SIGINT') {
    if (this.hasEnded) return;
    process.kill(-this.child.pid, signal);
    const timer = setTimeout(() => process.kill(-this.child.pid, 'SIGKILL'), 5000);
    await this.closed;
    clearTimeout(timer);
  }
}

function parsed(line) {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
