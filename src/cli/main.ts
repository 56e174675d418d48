// The entry of the command line: gives the program its terminal and ends the process with its exit code.
import { closeSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { harmlessStream } from '../console/harmless-stream.ts';
import { crashText } from './crash-text.ts';
import { runProgram } from './program.ts';
import type { Terminal } from './terminal.ts';

let terminalGone = false;

const terminal: Terminal = {
  stdout: harmlessStream(process.stdout),
  stderr: harmlessStream(process.stderr),
  env: process.env,
  installFolder: dirname(fileURLToPath(import.meta.url)),
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

// A reader that has seen enough (`headgate plan x | head`) or a terminal that was closed is no problem of ours: what runs
// goes on to its end, and ends with its own exit code.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EIO') terminalGone = true;
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
  });
}

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

try {
  process.exitCode = await runProgram(process.argv.slice(2), terminal);
} catch (error) {
  terminal.stderr.write(crashText(error));
  process.exit(1); // running jobs see the end of their pipe and write their resume state
}
