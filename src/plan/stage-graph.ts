// The graph of stages and an order that can run. The only file that knows graphlib: its Graph holds the structure, its
// algorithms recurse (and overflow on long chains), so order and cycles are found here, iteratively.
import { Graph } from '@dagrejs/graphlib';
import { stagesInCycle } from '../diagnostics/catalogue/graph.ts';
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import type { Place } from '../diagnostics/source.ts';
import { LowestFirst } from '../support/lowest-first.ts';
import { err, ok } from '../support/result.ts';
import type { Result } from '../support/result.ts';
import { predecessors } from './linked-stage.ts';
import type { LinkedStage } from './linked-stage.ts';

/** An edge's label: where the later stage names the earlier one. */
type StageGraph = Graph<undefined, LinkedStage, Place>;

/** Every stage after all it depends on; among those that could go next, the first of the file goes first. */
export function orderStages(stages: readonly LinkedStage[]): Result<readonly LinkedStage[], Diagnostic> {
  const graph = buildGraph(stages);
  const waiting = new Map(graph.nodes().map((id) => [id, (graph.predecessors(id) ?? []).length]));
  const ready = new LowestFirst<LinkedStage>();
  const add = (stage: LinkedStage): void => ready.add(stage.instance.index, stage);
  for (const stage of stages) if (waiting.get(stage.instance.id) === 0) add(stage);
  const order: LinkedStage[] = [];
  for (let next = ready.takeFirst(); next !== undefined; next = ready.takeFirst()) {
    order.push(next);
    waiting.delete(next.instance.id);
    for (const id of graph.successors(next.instance.id) ?? []) {
      const left = (waiting.get(id) ?? 0) - 1;
      waiting.set(id, left);
      if (left === 0) add(graph.node(id));
    }
  }
  return order.length === stages.length ? ok(order) : err(describeCycle(graph, stages, new Set(waiting.keys())));
}

function buildGraph(stages: readonly LinkedStage[]): StageGraph {
  const graph: StageGraph = new Graph<undefined, LinkedStage, Place>();
  for (const stage of stages) graph.setNode(stage.instance.id, stage);
  for (const stage of stages) {
    for (const { instance, at } of predecessors(stage)) {
      if (!graph.hasEdge(instance.id, stage.instance.id)) graph.setEdge(instance.id, stage.instance.id, at);
    }
  }
  return graph;
}

/** Walks backwards inside the stages that never became ready: every one of them waits for another, so the walk closes. */
function describeCycle(graph: StageGraph, stages: readonly LinkedStage[], stuck: ReadonlySet<string>): Diagnostic {
  const start = stages.find((stage) => stuck.has(stage.instance.id));
  if (start === undefined) throw new Error('no stage is stuck');
  const step = new Map<string, number>();
  const path: string[] = [];
  let current: string = start.instance.id;
  while (!step.has(current)) {
    step.set(current, path.length);
    path.push(current);
    const before = (graph.predecessors(current) ?? []).find((id) => stuck.has(id));
    if (before === undefined) throw new Error(`stage ${current} is stuck but waits for nothing`);
    current = before;
  }
  const cycle = path.slice(step.get(current)).reverse();
  const first = cycle.reduce((best, id, at) => (indexOf(graph, id) < indexOf(graph, cycle[best] ?? id) ? at : best), 0);
  const rotated = [...cycle.slice(first), ...cycle.slice(0, first)];
  const closed = [...rotated, rotated[0] ?? ''];
  return stagesInCycle(
    closed,
    rotated.map((id, at) => graph.edge(id, closed[at + 1] ?? '')),
  );
}

function indexOf(graph: StageGraph, id: string): number {
  return graph.node(id).instance.index;
}
