// References → instances and outputs. Without a key, a reference inside a fan-out means the instance with the same key.
import {
  instanceNotDeclared,
  keyNeeded,
  malformedOrder,
  malformedReference,
  notFanOut,
  outputKeyNeeded,
  outputNotDeclared,
  selfReference,
  stageNotDeclared,
} from '../diagnostics/catalogue/links.ts';
import { caseNotDeclared, notAGate, severalGates } from '../diagnostics/catalogue/gates.ts';
import { wrongShape } from '../diagnostics/catalogue/parameters.ts';
import { innerPlace } from '../diagnostics/located-json.ts';
import type { Located } from '../diagnostics/located-json.ts';
import type { Place } from '../diagnostics/source.ts';
import { parseOrderReference, parsePortReference } from '../expression/reference.ts';
import type { OrderReference, PortReference, Word } from '../expression/reference.ts';
import type { FanOuts } from './expand.ts';
import type { FanOut, Problems, StageInstance } from './instance.ts';
import type { DisabledRef, LinkedCases, OutputRef } from './linked-stage.ts';

/** Who asks: its key zips, and it must not mean itself. */
export interface Asking {
  readonly instance: StageInstance;
  readonly zipKey: string | undefined;
}

export class Lookup {
  private readonly fanOuts: FanOuts;
  private readonly problems: Problems;
  private readonly names: readonly string[];

  constructor(fanOuts: FanOuts, problems: Problems) {
    this.fanOuts = fanOuts;
    this.problems = problems;
    this.names = [...fanOuts.keys()];
  }

  /** `stage.port`; undefined when there is no such output, which `problems` then says. */
  output(node: Located, field: string, asking: Asking): OutputRef | DisabledRef | undefined {
    const reference = this.portReference(node, field);
    const fanOut = reference && this.fanOut(reference.stage);
    if (reference === undefined || fanOut === undefined) return undefined;
    const key = this.instanceKey(fanOut, reference, asking);
    if (key === undefined) return undefined;
    if (fanOut.disabled.has(key)) return { disabled: idOf(fanOut, key), at: reference.at };
    const producer = fanOut.instances.get(key);
    if (producer === undefined) return undefined;
    if (producer === asking.instance) return this.refuse(selfReference(reference.at, producer.id));
    const port = this.port(producer, reference, asking.zipKey);
    return port === undefined ? undefined : { producer, port, text: reference.text, at: reference.at };
  }

  /** All instances of a fan-out, or all members of a keyed output. */
  members(
    node: Located,
    asking: Asking,
  ): readonly { readonly key: string; readonly from: OutputRef | DisabledRef }[] | undefined {
    const reference = this.portReference(node, 'collect');
    const fanOut = reference && this.fanOut(reference.stage);
    if (reference === undefined || fanOut === undefined) return undefined;
    const { at, text } = reference;
    const found: { readonly key: string; readonly from: OutputRef | DisabledRef }[] = [];
    if (fanOut.domain !== 'none' && reference.key === undefined) {
      for (const [key, producer] of fanOut.instances) {
        const port = this.port(producer, reference, key);
        if (port === undefined) return undefined;
        if (producer !== asking.instance) found.push({ key, from: { producer, port, text, at } });
      }
      for (const key of fanOut.disabled) found.push({ key, from: { disabled: idOf(fanOut, key), at } });
      return found;
    }
    const producer = fanOut.instances.get(reference.key?.text ?? '');
    for (const port of producer === undefined ? [] : outputNames(producer)) {
      const key = memberKey(port, reference.port.text);
      if (producer !== undefined && key !== undefined) found.push({ key, from: { producer, port, text, at } });
    }
    return found;
  }

  /** `gate:case`, or several cases of one gate; a key `*` gives every instance its own entry. */
  cases(nodes: readonly Located[], field: string, whole: Place, asking: Asking): readonly LinkedCases[] | undefined {
    const byGate = new Map<StageInstance, string[]>();
    const stages = new Set<string>();
    for (const node of nodes) {
      const reference = this.orderReference(node, field);
      const gates = reference && this.instances(reference, asking);
      if (reference === undefined || gates === undefined) return undefined;
      stages.add(gates.length === 1 ? (gates[0]?.id ?? '') : reference.stage.text);
      for (const gate of gates) {
        if (!this.hasCase(gate, reference)) return undefined;
        const cases = byGate.get(gate) ?? [];
        byGate.set(gate, cases);
        if (reference.case !== undefined && !cases.includes(reference.case.text)) cases.push(reference.case.text);
      }
    }
    if (stages.size > 1) return this.refuse(severalGates(whole, [...stages]));
    return [...byGate].map(([gate, cases]) => ({ gate, cases, at: whole }));
  }

  orderReference(node: Located, field: string): OrderReference | undefined {
    if (node.type !== 'string') return this.refuse(wrongShape(node.at, field, "the name of a stage or a gate's case"));
    return parseOrderReference(node) ?? this.refuse(malformedOrder(innerPlace(node), node.value));
  }

  /** The instances that `stage`, `stage[key]` or `stage[*]` mean; disabled ones are left out. */
  instances(reference: OrderReference, asking: Asking): readonly StageInstance[] | undefined {
    const fanOut = this.fanOut(reference.stage);
    if (fanOut === undefined) return undefined;
    const every = [...fanOut.instances.values()];
    if (fanOut.domain !== 'none' && reference.key?.text === '*') return every;
    // Order alone may wait for all of them; a case has to say whose.
    const zips =
      asking.zipKey !== undefined && (fanOut.instances.has(asking.zipKey) || fanOut.disabled.has(asking.zipKey));
    if (fanOut.domain !== 'none' && reference.key === undefined && reference.case === undefined && !zips) return every;
    const key = this.instanceKey(fanOut, reference, asking);
    if (key === undefined) return undefined;
    const instance = fanOut.instances.get(key);
    if (instance === asking.instance) return this.refuse(selfReference(reference.at, instance.id));
    return instance === undefined ? [] : [instance];
  }

  private hasCase(gate: StageInstance, reference: OrderReference): boolean {
    if (reference.case === undefined) {
      this.problems.push(malformedOrder(reference.at, reference.text));
      return false;
    }
    if (gate.kind.role !== 'gate') {
      this.problems.push(notAGate(reference.stage.at, gate.id, gate.kind.kind));
      return false;
    }
    const names = gate.cases.map((item) => item.name);
    if (names.includes(reference.case.text)) return true;
    this.problems.push(caseNotDeclared(reference.case.at, gate.id, reference.case.text, names));
    return false;
  }

  private portReference(node: Located, field: string): PortReference | undefined {
    if (node.type !== 'string') return this.refuse(wrongShape(node.at, field, 'a reference to an output'));
    return parsePortReference(node) ?? this.refuse(malformedReference(innerPlace(node), node.value));
  }

  private fanOut(word: Word): FanOut | undefined {
    return this.fanOuts.get(word.text) ?? this.refuse(stageNotDeclared(word.at, word.text, this.names));
  }

  private instanceKey(fanOut: FanOut, reference: PortReference | OrderReference, asking: Asking): string | undefined {
    const { stage, key } = reference;
    const keys = [...fanOut.instances.keys(), ...fanOut.disabled];
    if (fanOut.domain === 'none') return key === undefined ? '' : this.refuse(notFanOut(key.at, stage.text));
    if (key !== undefined)
      return keys.includes(key.text) ? key.text : this.refuse(instanceNotDeclared(key.at, stage.text, key.text, keys));
    if (asking.zipKey === undefined)
      return this.refuse(keyNeeded(stage.at, stage.text, keys, 'case' in reference ? reference.case?.text : undefined));
    return keys.includes(asking.zipKey)
      ? asking.zipKey
      : this.refuse(instanceNotDeclared(stage.at, stage.text, asking.zipKey, keys));
  }

  private port(
    producer: StageInstance,
    { port, portKey }: PortReference,
    zipKey: string | undefined,
  ): string | undefined {
    const outputs = outputNames(producer);
    const written = portKey === undefined ? port.text : `${port.text}[${portKey.text}]`;
    if (outputs.includes(written)) return written;
    const zipped = `${port.text}[${zipKey ?? ''}]`;
    if (portKey === undefined && outputs.includes(zipped)) return zipped;
    const members = outputs.filter((output) => memberKey(output, port.text) !== undefined);
    if (portKey === undefined && members.length > 0)
      return this.refuse(outputKeyNeeded(port.at, producer.id, port.text, members));
    return this.refuse(outputNotDeclared((portKey ?? port).at, producer.id, written, outputs));
  }

  private refuse(problem: Problems[number]): undefined {
    this.problems.push(problem);
    return undefined;
  }
}

/** `head[detection]` is the member `detection` of `head`. */
export function memberKey(output: string, port: string): string | undefined {
  return output.startsWith(`${port}[`) && output.endsWith(']') ? output.slice(port.length + 1, -1) : undefined;
}

export function outputNames(instance: StageInstance): readonly string[] {
  if (instance.ports.open === 'forward') return instance.inputs.map((input) => input.port);
  return instance.ports.outputs.map((output) => output.name);
}

function idOf(fanOut: FanOut, key: string): string {
  return key === '' ? fanOut.spec.name : `${fanOut.spec.name}[${key}]`;
}
