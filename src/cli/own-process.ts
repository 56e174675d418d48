// The process of the command line: gives the program its terminal and ends with its exit code.
import { closeSync } from 'node:fs';
import { harmlessStream } from '../console/harmless-stream.ts';
import { crashText } from './crash-text.ts';
import { isLeftByReader, lostOutputText } from './lost-output.ts';
import { runProgram } from './program.ts';
import type { Terminal } from './terminal.ts';

let terminalGone = false;

const terminal: Omit<Terminal, 'installFolder'> = {
  stdout: harmlessStream(process.stdout),
  stderr: harmlessStream(process.stderr),
  env: process.env,
  onInterrupt: (listener) => {
    // SIGHUP: the terminal was closed. Each of them once is a request to checkpoint and end, any of them again is not.
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
    const onSignal = (signal: NodeJS.Signals): void => {
      if (signal === 'SIGHUP') terminalGone = true;
      listener(signal);
    };
    for (const signal of signals) process.on(signal, onSignal);
    return () => {
      for (const signal of signals) process.off(signal, onSignal);
    };
  },
};

// What runs goes on to its end, and ends with its own exit code, but for a success whose output was lost.
let outputLost = false;
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (isLeftByReader(error, stream)) terminalGone ||= error.code === 'EIO';
    else if (stream === process.stdout && !outputLost) {
      outputLost = true;
      process.stderr.write(lostOutputText(error));
    }
  });
}
process.on('exit', (code) => {
  if (outputLost && code === 0) process.exitCode = 1;
});

// Node gives the terminal its modes back at its end, and aborts where that terminal is gone: descriptors that are closed by
// then are left alone.
process.on('exit', () => {
  if (!terminalGone) return;
  for (const descriptor of [0, 1, 2]) {
    try {
      closeSync(descriptor);
    } catch {
      // closed before
    }
  }
});

// Running jobs see the end of their pipe and write their resume state.
const crash = (error: unknown): void => {
  terminal.stderr.write(crashText(error));
  process.exit(1);
};
process.on('uncaughtException', crash);

export async function runInProcess(argv: readonly string[], installFolder: string): Promise<void> {
  try {
    process.exitCode = await runProgram(argv, { ...terminal, installFolder });
  } catch (error) {
    crash(error);
  }
}
