// Plans of small workflows for the tests here: a base to vary, and short words for "it plans" and "it is refused with".
import { sourceDocument } from '../../src/diagnostics/source.ts';
import type { Diagnostic } from '../../src/diagnostics/diagnostic.ts';
import { makePlan } from '../../src/plan/make-plan.ts';
import type { PlanOptions } from '../../src/plan/make-plan.ts';
import type { Binding, Plan, PlannedStage, PortRef } from '../../src/plan/plan.ts';
import { parseWorkflow } from '../../src/spec/parse-workflow.ts';
import type { Result } from '../../src/support/result.ts';

export function tryPlan(workflow: object, options: PlanOptions = {}): Result<Plan, readonly Diagnostic[]> {
  const spec = parseWorkflow(sourceDocument('test.json', JSON.stringify(workflow, null, 2)));
  if (!spec.ok) return spec;
  const made = makePlan(spec.value, options);
  return made.ok ? { ok: true, value: made.value.plan } : made;
}

export function planOf(workflow: object, options: PlanOptions = {}): Plan {
  const plan = tryPlan(workflow, options);
  if (!plan.ok) throw new Error(plan.error.map((d) => `${d.code} ${d.message}`).join('\n'));
  return plan.value;
}

export function codesOf(workflow: object, options: PlanOptions = {}): readonly string[] {
  const plan = tryPlan(workflow, options);
  return plan.ok ? [] : plan.error.map((diagnostic) => diagnostic.code);
}

export function stageOf(plan: Plan, id: string): PlannedStage {
  const stage = plan.stages.find((candidate) => candidate.id === id);
  if (stage === undefined) throw new Error(`no stage ${id} in ${idsOf(plan).join(' ')}`);
  return stage;
}

/** Stages that read an output of this one, sorted. */
export function readersOf(plan: Plan, id: string): readonly string[] {
  const readers = plan.stages.filter(({ inputs }) =>
    Object.values(inputs).some((binding) => sourcesOf(binding).some(({ stage }) => stage === id)),
  );
  return readers.map((stage) => String(stage.id)).sort();
}

function sourcesOf(binding: Binding): readonly PortRef[] {
  if (binding.shape === 'one') return [binding.from];
  return (binding.shape === 'collect' ? binding.items : binding.alternatives).map(({ from }) => from);
}

export function idsOf(plan: Plan): readonly string[] {
  return plan.stages.map((stage) => stage.id);
}

/** A command that needs no files and gives one output. */
export function command(inputs: object = {}, more: object = {}): object {
  return {
    kind: 'command',
    inputs,
    with: { argv: ['true'], outputs: { out: { type: 'metrics', path: 'out.json' } } },
    ...more,
  };
}

/** A gate over `metrics` with cases that need no reference; the last name is else. */
export function gate(metrics: string, names: readonly string[], more: object = {}): object {
  const cases = names.map((name, index) =>
    index === names.length - 1 ? { name, else: true } : { name, criteria: [{ metric: 'x', atLeast: 10 - index }] },
  );
  return { kind: 'gate', inputs: { metrics }, cases, ...more };
}

export const tasks = {
  detection: {
    data: { train: 'scenes.train', gate: 'scenes.gate', calibration: 'scenes.train' },
    target: 'boxes',
    loss: { kind: 'focal-heatmap' },
    metric: { kind: 'centre-map', distance: 5 },
  },
  segmentation: {
    data: { train: 'scenes.train', gate: 'scenes.gate', calibration: 'scenes.train' },
    target: 'mask',
    loss: { kind: 'cross-entropy' },
    metric: { kind: 'miou' },
  },
};
