// What is said when something was thrown: the machine's own problems (disk full, no permission) in words, anything else as a
// bug of headgate, with its stack.
import { machineRemedy } from '../support/machine-problems.ts';

export function crashText(error: unknown): string {
  const help = machineRemedy(error);
  if (help !== undefined && error instanceof Error) return `headgate: ${error.message}\n  help: ${help}\n`;
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `headgate: this is a bug in headgate; please report it with these lines\n${stack}\n`;
}
