// What was thrown while the engine worked on one stage, as that stage's failure: the machine's own problems (a full disk, no
// permission) with what helps, anything else as a bug of headgate with its stack. The run goes on without the stage.
import type { StageFailure } from '../events/failures.ts';
import { machineRemedy } from '../support/machine-problems.ts';
import { errorCode } from '../support/missing-files.ts';

/** Lines of a stack that are worth keeping in a journal. */
const STACK_LINES = 12;

export function thrownFailure(error: unknown): StageFailure {
  const problem = error instanceof Error ? error.message : String(error);
  const code = errorCode(error);
  const help = machineRemedy(error);
  if (code !== undefined && help !== undefined) return { reason: 'machine-problem', code, problem, help };
  const stack = error instanceof Error && error.stack !== undefined ? error.stack : problem;
  return { reason: 'internal', problem, stack: stack.split('\n').slice(0, STACK_LINES).join('\n') };
}
