// What is said when something was thrown: the machine's own problems (disk full, no permission) in words, anything else as a
// bug of headgate, with its stack.
import { machineRemedy } from '../support/machine-problems.ts';

/** Errors that wrap errors: how many are looked through, since they can be their own cause. */
const MOST_CAUSES = 10;

export function crashText(error: unknown): string {
  for (const [index, cause] of causesOf(error).entries()) {
    const help = machineRemedy(cause);
    if (help === undefined || !(cause instanceof Error)) continue;
    const outer = index > 0 && error instanceof Error && !error.message.includes(cause.message) ? error.message : '';
    return `headgate: ${outer === '' ? '' : `${outer}: `}${cause.message}\n  help: ${help}\n`;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `headgate: this is a bug in headgate; please report it with these lines\n${stack}\n`;
}

function causesOf(error: unknown): readonly unknown[] {
  const causes: unknown[] = [error];
  for (let index = 0; index < causes.length && causes.length < MOST_CAUSES; index++) {
    const cause = causes[index];
    if (cause instanceof AggregateError) causes.push(...(cause.errors as readonly unknown[]));
    if (cause instanceof Error && cause.cause !== undefined) causes.push(cause.cause);
  }
  return causes;
}
