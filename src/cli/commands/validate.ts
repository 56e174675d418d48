// headgate validate FILE: the whole check of a workflow, and nothing else.
import { count } from '../../console/quantities.ts';
import { loadPlan, type WorkflowOptions } from '../load-plan.ts';
import { printJson, type ExitCode, type Terminal } from '../terminal.ts';

export async function validate(
  terminal: Terminal,
  file: string,
  options: WorkflowOptions & { readonly json?: boolean },
): Promise<ExitCode> {
  const plan = await loadPlan(terminal, file, options);
  if (plan === undefined) return 2;
  const stages = plan.stages.map(({ id, kind, task }) => ({ id, kind, ...(task === undefined ? {} : { task }) }));
  const { workflow, name, warnings = [] } = plan;
  if (options.json === true) printJson(terminal, { workflow, name, valid: true, stages, diagnostics: warnings });
  else terminal.stdout.write(`${file} is valid: ${plan.name}, ${count(stages.length, 'stage')}\n`);
  return 0;
}
