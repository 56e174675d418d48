// The graph of stages and an order that can run. Order and cycles are found iteratively: a chain may be of any length.
import { stagesInCycle } from '../diagnostics/catalogue/graph.ts';
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import type { Place } from '../diagnostics/source.ts';
import { LowestFirst } from '../support/lowest-first.ts';
import { err, ok } from '../support/result.ts';
import type { Result } from '../support/result.ts';
import { predecessors } from './linked-stage.ts';
import type { LinkedStage } from './linked-stage.ts';
import type { StageInstance } from './instance.ts';

interface Node {
  readonly stage: LinkedStage;
  /** What it depends on, with the first place that says so. */
  readonly before: Map<Node, Place>;
  readonly after: Node[];
  waitingFor: number;
}

/** Every stage after all it depends on; among those that could go next, the first of the file goes first. */
export function orderStages(stages: readonly LinkedStage[]): Result<readonly LinkedStage[], Diagnostic> {
  const nodes = buildGraph(stages);
  const ready = new LowestFirst<Node>();
  for (const node of nodes) if (node.waitingFor === 0) ready.add(indexOf(node), node);
  const order: LinkedStage[] = [];
  for (let next = ready.takeFirst(); next !== undefined; next = ready.takeFirst()) {
    order.push(next.stage);
    for (const node of next.after) if (--node.waitingFor === 0) ready.add(indexOf(node), node);
  }
  return order.length === stages.length ? ok(order) : err(describeCycle(nodes));
}

function buildGraph(stages: readonly LinkedStage[]): readonly Node[] {
  const nodes = new Map<StageInstance, Node>();
  for (const stage of stages) {
    nodes.set(stage.instance, { stage, before: new Map(), after: [], waitingFor: 0 });
  }
  for (const node of nodes.values()) {
    for (const { instance, at } of predecessors(node.stage)) {
      const before = nodes.get(instance);
      if (before === undefined || node.before.has(before)) continue;
      node.before.set(before, at);
      node.waitingFor++;
      before.after.push(node);
    }
  }
  return [...nodes.values()];
}

/** Walks backwards inside the stages that never became ready: every one of them waits for another, so the walk closes. */
function describeCycle(nodes: readonly Node[]): Diagnostic {
  const isStuck = (node: Node): boolean => node.waitingFor > 0;
  const start = nodes.find(isStuck);
  if (start === undefined) throw new Error('no stage is stuck');
  const step = new Map<Node, number>();
  const path: Node[] = [];
  let current = start;
  while (!step.has(current)) {
    step.set(current, path.length);
    path.push(current);
    const before = [...current.before.keys()].find(isStuck);
    if (before === undefined) throw new Error(`stage ${current.stage.instance.id} is stuck but waits for nothing`);
    current = before;
  }
  const cycle = path.slice(step.get(current)).reverse();
  const first = cycle.reduce((best, node, at) => (indexOf(node) < indexOf(cycle[best] ?? node) ? at : best), 0);
  const rotated = [...cycle.slice(first), ...cycle.slice(0, first)];
  const closed = [...rotated, ...rotated.slice(0, 1)];
  return stagesInCycle(
    closed.map(({ stage }) => stage.instance.id),
    rotated.flatMap((node, at) => closed[at + 1]?.before.get(node) ?? []),
  );
}

function indexOf({ stage }: Node): number {
  return stage.instance.index;
}
