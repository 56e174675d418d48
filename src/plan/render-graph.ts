// A plan as a picture: Mermaid or Graphviz DOT. Solid edges carry data, dashed ones hang on a gate's case or only
// wait, dotted ones (in Mermaid: those that say so) are of stages whose recorded time a loop's budget counts.
import type { StageState } from '../events/run-events.ts';
import type { StageId } from '../events/ids.ts';
import type { Plan, PlannedStage } from './plan.ts';

export type GraphFormat = 'mermaid' | 'dot';
/** What a run (or a forecast) says of a stage, to colour it by. */
export type Annotate = (stage: PlannedStage) => StageState | undefined;

interface Edge {
  readonly from: StageId;
  readonly to: StageId;
  readonly label: string;
  readonly carries: 'data' | 'order' | 'time';
}

export function renderGraph(plan: Plan, format: GraphFormat, annotate: Annotate = () => undefined): string {
  const names = new Map(plan.stages.map((stage, index) => [stage.id, `s${index}`]));
  const edges = plan.stages.flatMap(edgesInto);
  return format === 'mermaid' ? mermaid(plan, names, edges, annotate) : dot(plan, names, edges, annotate);
}

/** One edge per pair and label: several ports of one producer are one line. */
function edgesInto(stage: PlannedStage): readonly Edge[] {
  const edges = new Map<string, Edge>();
  const add = (from: StageId, label: string, carries: Edge['carries']): void => {
    edges.set(JSON.stringify([from, label, carries]), { from, to: stage.id, label, carries });
  };
  for (const binding of Object.values(stage.inputs)) {
    switch (binding.shape) {
      case 'one':
        add(binding.from.stage, '', 'data');
        break;
      case 'collect':
        for (const { from } of binding.items) add(from.stage, '', 'data');
        break;
      case 'oneOf':
        for (const { when, from } of binding.alternatives) add(from.stage, when.cases.join(' or '), 'data');
    }
  }
  for (const after of stage.after) {
    if (after.kind === 'stage') add(after.stage, '', 'order');
    else add(after.ref.gate, after.ref.cases.join(' or '), 'order');
  }
  for (const from of stage.timed) add(from, 'time', 'time');
  return [...edges.values()];
}

const colours: { readonly [state in StageState]: string } = {
  pending: '#eeeeee',
  running: '#bbdefb',
  succeeded: '#c8e6c9',
  cached: '#dcedc8',
  failed: '#ffcdd2',
  'timed-out': '#ffcdd2',
  cancelled: '#ffe0b2',
  'not-taken': '#fafafa',
  blocked: '#f8bbd0',
};

/** Stages of a template's instance, or of one iteration of a loop, drawn as a box with their common path. */
interface Box {
  readonly label: string;
  readonly stages: PlannedStage[];
  readonly boxes: Map<string, Box>;
}

function boxesOf(plan: Plan): Box {
  const root: Box = { label: '', stages: [], boxes: new Map() };
  for (const stage of plan.stages) {
    let box = root;
    for (const label of stage.id.split('/').slice(0, -1)) {
      const inner = box.boxes.get(label) ?? { label, stages: [], boxes: new Map() };
      box.boxes.set(label, inner);
      box = inner;
    }
    box.stages.push(stage);
  }
  return root;
}

interface BoxWords {
  readonly node: (stage: PlannedStage, label: string) => string;
  readonly open: (index: number, label: string) => string;
  readonly close: string;
}

/** Lines of all boxes, the inner ones indented. */
function drawBoxes(root: Box, words: BoxWords): readonly string[] {
  const lines: string[] = [];
  let count = 0;
  const draw = (box: Box, indent: string): void => {
    for (const stage of box.stages) lines.push(`${indent}${words.node(stage, stage.id.split('/').at(-1) ?? '')}`);
    for (const inner of box.boxes.values()) {
      lines.push(`${indent}${words.open(count++, inner.label)}`);
      draw(inner, `${indent}  `);
      lines.push(`${indent}${words.close}`);
    }
  };
  draw(root, '  ');
  return lines;
}

function mermaid(plan: Plan, names: ReadonlyMap<StageId, string>, edges: readonly Edge[], annotate: Annotate): string {
  const lines = ['flowchart TD'];
  const used = new Set<StageState>();
  const node = (stage: PlannedStage, label: string): string => {
    const text = `"${mermaidText(label)}"`;
    const shape = stage.kind === 'gate' ? `{${text}}` : stage.kind === 'stop' ? `([${text}])` : `[${text}]`;
    const state = annotate(stage);
    if (state !== undefined) used.add(state);
    return `${names.get(stage.id)}${shape}${state === undefined ? '' : `:::${className(state)}`}`;
  };
  const open = (index: number, label: string): string => `subgraph g${index}["${mermaidText(label)}"]`;
  lines.push(...drawBoxes(boxesOf(plan), { node, open, close: 'end' }));
  for (const { from, to, label, carries } of edges) {
    const words = label === '' ? '' : `|"${mermaidText(label)}"|`;
    lines.push(`  ${names.get(from)} ${carries === 'data' ? '-->' : '-.->'}${words} ${names.get(to)}`);
  }
  for (const state of used) lines.push(`  classDef ${className(state)} fill:${colours[state]}`);
  return `${lines.join('\n')}\n`;
}

function dot(plan: Plan, names: ReadonlyMap<StageId, string>, edges: readonly Edge[], annotate: Annotate): string {
  const lines = [`digraph ${dotText(plan.name)} {`, '  node [shape=box, style=filled, fillcolor="#ffffff"];'];
  const node = (stage: PlannedStage, label: string): string => {
    const shape = stage.kind === 'gate' ? ', shape=diamond' : stage.kind === 'stop' ? ', shape=octagon' : '';
    const state = annotate(stage);
    const fill = state === undefined ? '' : `, fillcolor="${colours[state]}", tooltip="${state}"`;
    return `${names.get(stage.id)} [label=${dotText(label)}${shape}${fill}];`;
  };
  const open = (index: number, label: string): string => `subgraph cluster_${index} { label=${dotText(label)};`;
  lines.push(...drawBoxes(boxesOf(plan), { node, open, close: '}' }));
  for (const { from, to, label, carries } of edges) {
    const attributes = [...(label === '' ? [] : [`label=${dotText(label)}`]), ...dotStyles[carries]];
    const list = attributes.length === 0 ? '' : ` [${attributes.join(', ')}]`;
    lines.push(`  ${names.get(from)} -> ${names.get(to)}${list};`);
  }
  return `${[...lines, '}'].join('\n')}\n`;
}

const dotStyles = { data: [], order: ['style=dashed'], time: ['style=dotted'] } as const;

function mermaidText(text: string): string {
  return text.replaceAll('&', '#amp;').replaceAll('"', '#quot;').replaceAll('<', '#lt;').replaceAll('>', '#gt;');
}

function dotText(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** Mermaid reads a hyphen in a class name as part of an arrow. */
function className(state: StageState): string {
  return state.replaceAll('-', '_');
}
