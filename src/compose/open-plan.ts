// A workflow file as the plan of a root folder. One workflow has one name there, however its path was typed.
import { relative, resolve } from 'node:path';
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import { loadWorkflow, type LoadOptions } from '../plan/load-workflow.ts';
import type { Plan } from '../plan/plan.ts';
import { ok, type Result } from '../support/result.ts';

export async function openPlan(
  file: string,
  options: LoadOptions & { readonly root: string },
): Promise<Result<Plan, readonly Diagnostic[]>> {
  const loaded = await loadWorkflow(file, options);
  return loaded.ok ? ok({ ...loaded.value, workflow: relative(options.root, resolve(file)) }) : loaded;
}
