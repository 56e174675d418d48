// headgate graph FILE: the workflow as a drawing in text.
import { renderGraph } from '../../plan/render-graph.ts';
import { loadPlan, type WorkflowOptions } from '../load-plan.ts';
import { printJson, type ExitCode, type Terminal } from '../terminal.ts';

export async function graph(
  terminal: Terminal,
  file: string,
  options: WorkflowOptions & { readonly format: 'mermaid' | 'dot'; readonly json?: boolean },
): Promise<ExitCode> {
  const plan = await loadPlan(terminal, file, options);
  if (plan === undefined) return 2;
  const text = renderGraph(plan, options.format);
  if (options.json === true) printJson(terminal, { format: options.format, text });
  else terminal.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
  return 0;
}
