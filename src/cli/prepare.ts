// What plan, run, resume and explain have in common: the plan with the asked-for part of it, the store, the program's own code.
import { suggestion } from '../diagnostics/suggest.ts';
import type { StageId } from '../events/ids.ts';
import type { EmbeddedBackend } from '../execute/ports.ts';
import { planUntil, stagesNamed } from '../execute/subplan.ts';
import type { Plan, PlannedStage } from '../plan/plan.ts';
import { openStore, type Store } from '../store/store.ts';
import { err, ok, type Result } from '../support/result.ts';
import { findInstallation } from './embedded-backend.ts';
import { loadPlan, rootOf, type WorkflowOptions } from './load-plan.ts';
import { refuse, type Terminal } from './terminal.ts';

export interface SelectionOptions extends WorkflowOptions {
  readonly until?: readonly string[];
  readonly only?: readonly string[];
  readonly force?: readonly string[];
}

export interface Prepared {
  readonly plan: Plan;
  readonly store: Store;
  readonly embedded: EmbeddedBackend;
  readonly version: string;
  readonly forced: ReadonlySet<StageId>;
  /** With --only: the stages that may run; the others may only be restored. */
  readonly only?: ReadonlySet<StageId>;
}

/** Undefined after the problem was printed: the command ends with exit code 2. */
export async function prepare(
  terminal: Terminal,
  file: string,
  options: SelectionOptions,
): Promise<Prepared | undefined> {
  const whole = await loadPlan(terminal, file, options);
  if (whole === undefined) return undefined;
  const [until, only, forced] = [options.until, options.only, options.force].map((names) =>
    selected(whole, names ?? []),
  );
  for (const selection of [until, only, forced]) {
    if (selection?.ok === false) {
      refuse(terminal, selection.error.message, selection.error.help);
      return undefined;
    }
  }
  const stagesOf = (selection: typeof until): readonly PlannedStage[] =>
    selection?.ok === true ? selection.value : [];
  const targets = [...stagesOf(until), ...stagesOf(only)];
  const installation = await findInstallation(terminal.installFolder);
  return {
    plan: targets.length === 0 ? whole : planUntil(whole, targets),
    store: openStore(rootOf(options)),
    embedded: installation.embedded,
    version: installation.version,
    forced: new Set(stagesOf(forced).map(({ id }) => id)),
    ...(options.only === undefined ? {} : { only: new Set(stagesOf(only).map(({ id }) => id)) }),
  };
}

function selected(
  plan: Plan,
  names: readonly string[],
): Result<readonly PlannedStage[], { readonly message: string; readonly help?: string }> {
  const stages: PlannedStage[] = [];
  for (const name of names) {
    const found = stagesNamed(plan, name);
    if (found === undefined) return err(unknownStage(plan, name));
    stages.push(...found);
  }
  return ok(stages);
}

export function unknownStage(plan: Plan, name: string): { readonly message: string; readonly help: string } {
  const known = [...new Set(plan.stages.flatMap((stage) => [stage.id, stage.name]))];
  return { message: `stage "${name}" is not in this workflow`, help: suggestion(name, known, 'stages') };
}
