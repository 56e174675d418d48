// What the workflow says it gives → outputs of its stages, looked up like any input.
import { outputLeftOut, outputNamesMeet } from '../diagnostics/catalogue/graph.ts';
import type { WorkflowSpec } from '../spec/workflow-spec.ts';
import type { Namespace, Problems } from './instance.ts';
import { isDisabled, type OutputRef } from './linked-stage.ts';
import { Lookup } from './lookup.ts';

export interface LinkedOutput {
  readonly name: string;
  readonly from: OutputRef;
}

/** Undefined where the workflow names none and leaves it to the rule. */
export function linkOutputs(
  { outputs }: WorkflowSpec,
  root: Namespace,
  problems: Problems,
): readonly LinkedOutput[] | undefined {
  if (outputs === undefined) return undefined;
  const lookup = new Lookup(problems);
  return [...outputs.values()].flatMap(({ name, nameAt, node }) => {
    const other = [...outputs.keys()].find((candidate) => !name.includes('.') && candidate.startsWith(`${name}.`));
    if (other !== undefined) problems.push(outputNamesMeet(nameAt, name, other));
    const from = lookup.output(node, name, { from: { namespace: root, keys: [] } });
    if (from === undefined || from === 'left out') return [];
    if (!isDisabled(from)) return [{ name, from }];
    problems.push(outputLeftOut(from.at, name, from.disabled));
    return [];
  });
}
