// A call that may take forever, because a user wrote what it computes: it is stopped when its time is up. Nothing outside a
// running function can stop it, but a script that runs it can be stopped, in the middle of a pattern's match too.
import { createContext, Script, type Context } from 'node:vm';
import { err, ok, type Result } from './result.ts';

const script = new Script('work()');
let context: Context | undefined;

/**
 * Why there is no value: the time was up, or SIGINT came. Node's own handlers of SIGINT do not run meanwhile, so the signal is
 * handed on to them (or ends the process, where there are none) before this returns.
 */
export type Stopped = 'timed-out' | 'interrupted';

/** What `work` throws is thrown here. It must leave nothing half-done behind: it ends anywhere. */
export function boundedCall<T>(work: () => T, milliseconds: number): Result<T, Stopped> {
  if (milliseconds <= 0) return err('timed-out');
  context ??= createContext({});
  let value: Result<T, Stopped> = err('timed-out');
  const outer: unknown = context['work'];
  context['work'] = () => {
    value = ok(work());
  };
  try {
    script.runInContext(context, { timeout: Math.ceil(milliseconds), breakOnSigint: true });
    return value;
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return err('timed-out');
    if (code !== 'ERR_SCRIPT_EXECUTION_INTERRUPTED') throw error;
    if (!process.emit('SIGINT', 'SIGINT')) process.kill(process.pid, 'SIGINT');
    return err('interrupted');
  } finally {
    context['work'] = outer;
  }
}

/** The script's own errors are made in its context: they are no instances of this one's Error. */
function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}
