// headgate run FILE. A call that is known to find everything cached again is told from what is remembered of it; the planner
// is loaded for the others only.
import { resolve } from 'node:path';
import { recallCall, type Call } from '../../compose/settled-call.ts';
import { openStore } from '../../store/store.ts';
import { journaledOptions, type RunOptions } from '../journaled-options.ts';
import { rootOf } from '../root.ts';
import type { ExitCode, Terminal } from '../terminal.ts';

export async function run(terminal: Terminal, file: string, options: RunOptions): Promise<ExitCode> {
  const call: Call = {
    file: resolve(file),
    root: rootOf(options),
    installFolder: terminal.installFolder,
    options: await journaledOptions(file, options),
  };
  // What is forced, broken on purpose or only allowed in part is looked at anew.
  const { force, only, fault } = options;
  const mayRepeat = force === undefined && only === undefined && fault === undefined;
  const store = openStore(call.root);
  const settled = mayRepeat ? recallCall(store, call) : undefined;
  if (settled !== undefined) {
    const { tellAgain } = await import('../tell-again.ts');
    return tellAgain(terminal, store, settled, options);
  }
  const { runAnew } = await import('../run-anew.ts');
  return runAnew(terminal, file, options, { store, call, mayRepeat });
}
