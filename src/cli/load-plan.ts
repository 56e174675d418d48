// A workflow file as a plan, with its diagnostics on standard error when it is none.
import { openPlan } from '../compose/open-plan.ts';
import { coloursFor } from '../console/colours.ts';
import { renderDiagnostics } from '../diagnostics/render.ts';
import type { Looking } from '../plan/load-workflow.ts';
import type { Plan } from '../plan/plan.ts';
import { rootOf } from './root.ts';
import { printJson, type Terminal } from './terminal.ts';

export interface WorkflowOptions {
  readonly set?: readonly string[];
  readonly params?: string;
  readonly root?: string;
  readonly json?: boolean;
}

/** Undefined after the problems were printed: the command ends with exit code 2. */
export async function loadPlan(
  terminal: Terminal,
  file: string,
  options: WorkflowOptions,
  looking: Looking = {},
): Promise<Plan | undefined> {
  const loaded = await openPlan(file, {
    ...looking,
    root: rootOf(options),
    ...(options.params === undefined ? {} : { params: options.params }),
    ...(options.set === undefined ? {} : { set: options.set }),
  });
  const { red, yellow, dim, bold, cyan } = coloursFor(terminal.stderr, terminal.env);
  if (!loaded.ok) {
    if (options.json === true) printJson(terminal, { valid: false, diagnostics: loaded.error });
    terminal.stderr.write(renderDiagnostics(loaded.error, { place: bold, code: red, squiggle: red, help: cyan }));
    terminal.stderr.write(dim(`${loaded.error.length === 1 ? '1 problem' : `${loaded.error.length} problems`}\n`));
    return undefined;
  }
  const { warnings = [] } = loaded.value;
  if (warnings.length > 0)
    terminal.stderr.write(renderDiagnostics(warnings, { place: bold, code: yellow, squiggle: yellow, help: cyan }));
  return loaded.value;
}
