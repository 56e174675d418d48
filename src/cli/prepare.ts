// What plan, run, resume and explain have in common: the plan with the asked-for part of it, the store, the program's own code.
import { resolve } from 'node:path';
import { findInstallation } from '../compose/installation.ts';
import { selectStages, type Selection, type StageChoice } from '../compose/select-stages.ts';
import type { EmbeddedBackend } from '../execute/ports.ts';
import { openStore, type Store } from '../store/store.ts';
import { loadPlan, type WorkflowOptions } from './load-plan.ts';
import { rootOf } from './root.ts';
import { refuse, type Terminal } from './terminal.ts';

export type SelectionOptions = WorkflowOptions & StageChoice;

export interface Prepared extends Selection {
  readonly store: Store;
  readonly embedded: EmbeddedBackend;
  readonly version: string;
}

/** Undefined after the problem was printed: the command ends with exit code 2. */
export async function prepare(
  terminal: Terminal,
  file: string,
  options: SelectionOptions,
  store: Store = openStore(rootOf(options)),
): Promise<Prepared | undefined> {
  const onLook = (path: string): void => store.stats.looks.note(resolve(path));
  const whole = await loadPlan(terminal, file, options, { onLook });
  if (whole === undefined) return undefined;
  const selection = selectStages(whole, options);
  if (!selection.ok) {
    refuse(terminal, selection.error.message, selection.error.help);
    return undefined;
  }
  const { embedded, version } = await findInstallation(terminal.installFolder);
  return { ...selection.value, store, embedded, version };
}
