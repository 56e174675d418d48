// The ports that a kind can have, whatever its settings: asked of the kind itself, over combinations of what its schema
// allows. Not a list to keep: a new port shows up by itself.
import type { InputPort, OutputPort, Ports, StageContext, StageKind } from '../../src/stages/stage-kind.ts';
import { isJsonObject } from '../../src/support/json.ts';
import type { Json, JsonObject } from '../../src/support/json.ts';
import { anyName, samplesOf, type SchemaRoots } from './schema-samples.ts';

export interface KindPorts {
  readonly inputs: readonly InputPort[];
  readonly outputs: readonly OutputPort[];
  /** `train`, `gate` …: splits of the stage's tasks that become inputs by themselves. */
  readonly data: readonly string[];
  readonly open: Ports['open'];
}

const taskSettings: JsonObject = { target: 'mask', loss: { kind: 'cross-entropy' }, metric: { kind: 'miou' } };
const task = { name: anyName, settings: taskSettings };
/** Inputs whose presence changes what a kind reads; that a port exists cannot be asked without giving it. */
const wholeModels = ['merged', 'exported'];

export function portsOf(kind: StageKind, roots: SchemaRoots): KindPorts {
  const inputs = new Map<string, InputPort>();
  const outputs = new Map<string, OutputPort>();
  const data = new Set<string>();
  let open: Ports['open'];
  for (const settings of settingsOf(kind, roots)) {
    for (const given of [[], ...wholeModels.map((port) => [port])]) {
      const context: StageContext = { settings, task, tasks: [task], profile: {}, given };
      const ports = kind.ports(context);
      open ??= ports.open;
      for (const port of ports.inputs) inputs.set(port.name, merged(inputs.get(port.name), port));
      for (const port of ports.outputs) outputs.set(port.name, mergedOutput(outputs.get(port.name), port));
      for (const { split } of ports.data ?? []) data.add(split);
    }
  }
  return { inputs: [...inputs.values()], outputs: [...outputs.values()], data: [...data], open };
}

/** Every pair of settings takes every pair of sample values at least once: what ports hang on is never more than two. */
function settingsOf(kind: StageKind, roots: SchemaRoots): readonly JsonObject[] {
  const properties = isJsonObject(kind.settingsSchema['properties']) ? kind.settingsSchema['properties'] : {};
  const candidates = Object.entries(properties).map(([name, schema]): readonly [string, readonly Json[]] => [
    name,
    samplesOf(schema, kind.settingsSchema, roots),
  ]);
  const base = Object.fromEntries(
    candidates.flatMap(([name, [first]]) => (first === undefined ? [] : [[name, first]])),
  );
  const found: JsonObject[] = [base];
  for (const [name, values] of candidates) {
    for (const value of values) {
      for (const [other, others] of candidates) {
        for (const otherValue of others) found.push({ ...base, [name]: value, [other]: otherValue });
      }
    }
  }
  return found;
}

/** The same port under other settings: it takes either state, and is optional if it ever is. */
function merged(known: InputPort | undefined, port: InputPort): InputPort {
  if (known === undefined) return port;
  const help =
    known.help === port.help || known.help.includes(port.help) ? known.help : `${known.help}; or ${port.help}`;
  const arity = known.arity === port.arity ? known.arity : known.arity === 'one' ? port.arity : known.arity;
  return { ...known, help, arity, type: mergedType(known.type, port.type) };
}

function mergedOutput(known: OutputPort | undefined, port: OutputPort): OutputPort {
  if (known === undefined) return port;
  const type = mergedType(known.type, port.type);
  return type === 'any' ? known : { ...known, type };
}

function mergedType(left: InputPort['type'], right: InputPort['type']): InputPort['type'] {
  if (left === 'any' || right === 'any') return 'any';
  if (left.states === undefined || right.states === undefined) return left;
  return { ...left, states: [...new Set([...left.states, ...right.states])] };
}
