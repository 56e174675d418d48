// What travels along every edge: output types are known for most kinds and inferred for those that forward; each must fit
// the input it arrives at. Stages come in order, so that a producer's types are known before its readers ask.
import { mixedAlternatives, outputNotDeclared, wrongArtifact } from '../diagnostics/catalogue/links.ts';
import type { CheckpointState, OutputPort, PortType } from '../stages/stage-kind.ts';
import type { Problems, StageInstance } from './instance.ts';
import { isDisabled } from './linked-stage.ts';
import type { LinkedInput, LinkedStage, OutputRef } from './linked-stage.ts';

/** Every instance's outputs with their types. */
export type OutputTypes = ReadonlyMap<StageInstance, readonly OutputPort[]>;

export function checkPorts(order: readonly LinkedStage[], problems: Problems): OutputTypes {
  const outputs = new Map<StageInstance, readonly OutputPort[]>();
  for (const { instance, inputs } of order) {
    const forwarded: OutputPort[] = [];
    for (const [name, input] of inputs) {
      const type = inputType(input, outputs, problems);
      if (type !== undefined && forwards(instance, name)) forwarded.push({ name, type, help: 'forwarded' });
    }
    outputs.set(instance, [...instance.ports.outputs, ...forwarded]);
  }
  return outputs;
}

function forwards({ ports }: StageInstance, port: string): boolean {
  if (ports.open !== 'forward' && ports.open !== 'forward-best') return false;
  return ports.inputs.every(({ name }) => name !== port);
}

/** The type that arrives, after every reference was checked against the port. */
function inputType({ port, binding }: LinkedInput, outputs: OutputTypes, problems: Problems): PortType | undefined {
  const refs =
    binding.shape === 'one'
      ? [binding.from]
      : binding.shape === 'collect'
        ? binding.items.map((item) => item.from)
        : binding.alternatives.flatMap(({ from }) => (isDisabled(from) ? [] : [from]));
  let joined: PortType | undefined;
  for (const ref of refs) {
    const type = outputType(ref, outputs, problems);
    if (type === undefined) continue;
    if (port.type !== 'any' && !fits(type, port.type)) {
      problems.push(
        wrongArtifact(ref.at, port.name, typeText(port.type), ref.text, typeText(type), fitting(port.type, outputs)),
      );
    } else if (joined === undefined) joined = type;
    else if (binding.shape === 'oneOf' && joined.artifact !== type.artifact) {
      problems.push(mixedAlternatives(ref.at, port.name, typeText(joined), typeText(type)));
    } else joined = union(joined, type);
  }
  return joined;
}

function outputType(ref: OutputRef, outputs: OutputTypes, problems: Problems): PortType | undefined {
  const known = outputs.get(ref.producer) ?? [];
  const output = known.find((candidate) => candidate.name === ref.port);
  // A forwarding stage lacks an output when its own input was not given.
  if (output === undefined && !ref.producer.context.given.includes(ref.port)) {
    problems.push(
      outputNotDeclared(
        ref.at,
        ref.producer.id,
        ref.port,
        known.map((candidate) => candidate.name),
      ),
    );
  }
  return output?.type;
}

function fits(given: PortType, taken: PortType): boolean {
  if (given.artifact !== taken.artifact) return false;
  if (given.scope !== undefined && taken.scope !== undefined && given.scope !== taken.scope) return false;
  const { states } = taken;
  return states === undefined || given.states === undefined || given.states.every((state) => states.includes(state));
}

function union(one: PortType, other: PortType): PortType {
  const states =
    one.states !== undefined && other.states !== undefined ? [...new Set([...one.states, ...other.states])] : undefined;
  return {
    artifact: one.artifact,
    ...(one.scope !== undefined && one.scope === other.scope ? { scope: one.scope } : {}),
    ...(states === undefined ? {} : { states }),
  };
}

/** `a calibrated or qat backbone checkpoint`, `metrics`. */
export function typeText({ artifact, scope, states }: PortType): string {
  if (artifact !== 'checkpoint') return nouns[artifact];
  const words = [states === undefined ? '' : stateText(states), scope ?? '', 'checkpoint'].filter(
    (word) => word !== '',
  );
  return `a ${words.join(' ')}`;
}

const nouns: { readonly [artifact in PortType['artifact']]: string } = {
  dataset: 'a data set',
  checkpoint: 'a checkpoint',
  model: 'a model',
  merged: 'a merged model',
  metrics: 'metrics',
  verdict: 'a verdict',
  report: 'a report',
  profile: 'a profile',
  file: 'a file',
};

function stateText(states: readonly CheckpointState[]): string {
  return states.map((state) => (state === 'qat' ? 'QAT' : state)).join(' or ');
}

function fitting(type: PortType, outputs: OutputTypes): readonly string[] {
  const found = new Set<string>();
  for (const [instance, ports] of outputs) {
    for (const port of ports) {
      if (fits(port.type, type)) found.add(`${instance.pathName}.${port.name}`);
      if (found.size === 6) return [...found];
    }
  }
  return [...found];
}
