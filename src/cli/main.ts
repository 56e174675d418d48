// The entry of the command line: gives the program its terminal and ends the process with its exit code.
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crashText } from './crash-text.ts';
import { runProgram } from './program.ts';
import type { Terminal } from './terminal.ts';

const terminal: Terminal = {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  installFolder: dirname(fileURLToPath(import.meta.url)),
  onInterrupt: (listener) => {
    const signals = ['SIGINT', 'SIGTERM'] as const;
    const onSignal = (signal: NodeJS.Signals): void => listener(signal);
    for (const signal of signals) process.on(signal, onSignal);
    return () => {
      for (const signal of signals) process.off(signal, onSignal);
    };
  },
};

// A reader that has seen enough (`headgate plan x | head`) is no problem of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  process.exitCode = await runProgram(process.argv.slice(2), terminal);
} catch (error) {
  process.stderr.write(crashText(error));
  process.exit(1); // running jobs see the end of their pipe and write their resume state
}
