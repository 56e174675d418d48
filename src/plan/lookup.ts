// References → instances and outputs, through groups where they lead into one. Without a key, a reference means the
// instance with the key of who asks, or of a group around it.
import { givenIsNoSingle, givenUnknown, notAGroup } from '../diagnostics/catalogue/groups.ts';
import {
  malformedReference,
  outputKeyNeeded,
  outputNotDeclared,
  selfReference,
} from '../diagnostics/catalogue/links.ts';
import { wrongShape } from '../diagnostics/catalogue/parameters.ts';
import { innerPlace, memberOf } from '../diagnostics/located-json.ts';
import type { Located } from '../diagnostics/located-json.ts';
import { parsePortReference } from '../expression/reference.ts';
import type { PortReference, Step } from '../expression/reference.ts';
import type { DisabledRef, OutputRef } from './linked-stage.ts';
import { keysOf, NameLookup, type Asking } from './name-lookup.ts';
import { isGroup } from './namespace.ts';
import { memberKey, outputNames } from './outputs.ts';
import type { FanOut, GivenBinding, Namespace, Problems, StageGroup, StageInstance, Surroundings } from './instance.ts';

export interface Keyed {
  readonly key: string;
  readonly from: OutputRef | DisabledRef;
}

type Found = StageInstance | StageGroup | DisabledRef;

export class Lookup {
  private readonly problems: Problems;
  private readonly names: NameLookup;

  constructor(problems: Problems) {
    this.problems = problems;
    this.names = new NameLookup(problems);
  }

  /** `stage.port`; undefined when there is no such output, which `problems` then says. 'left out': an input not given. */
  output(node: Located, field: string, asking: Asking): OutputRef | DisabledRef | 'left out' | undefined {
    const reference = this.portReference(node, field);
    if (reference === undefined) return undefined;
    const given = this.given(reference, asking);
    if (given === undefined || given === 'left out') return given;
    if (given !== 'none') {
      if (given.node.type !== 'string') return this.refuse(givenIsNoSingle(reference.at, reference.text));
      return this.placed(this.output(given.node, field, { ...asking, from: asGiven(given, asking) }), reference);
    }
    return this.declared(reference, asking);
  }

  /** What the user of the group gave, where the reference is `inputs.NAME` or `carry.NAME`; 'none' where it is not. */
  given(reference: PortReference, { from }: Asking): GivenBinding | 'left out' | 'none' | undefined {
    const [first, ...more] = reference.steps;
    if (more.length > 0 || first.key !== undefined) return 'none';
    for (let place: Namespace | undefined = from.namespace; place !== undefined; place = place.outer) {
      const { given } = place;
      if (given?.word !== first.stage.text) continue;
      const { text, at } = reference.port;
      return given.bindings.get(text) ?? this.refuse(givenUnknown(at, given.word, text, [...given.bindings.keys()]));
    }
    return 'none';
  }

  /** All instances of a fan-out, all members of a keyed output, or what a group was given or gives as a collection. */
  members(node: Located, asking: Asking): readonly Keyed[] | undefined {
    const collection = memberOf(node, 'collect');
    if (collection !== undefined) return this.collection(collection, asking);
    const reference = this.portReference(node, 'collect');
    if (reference === undefined) return undefined;
    const given = this.given(reference, asking);
    if (given === undefined || given === 'left out') return given === undefined ? undefined : [];
    if (given !== 'none') return this.members(given.node, { ...asking, from: asGiven(given, asking) });
    const open = this.openStep(reference.steps, asking.from);
    if (open === undefined) return undefined;
    if (open === 'none') return this.keyedOutputs(reference, asking);
    const found: Keyed[] = [];
    for (const key of keysOf(open.fanOut)) {
      const steps = withKey(reference.steps, open.index, key);
      const namespace = asking.from.namespace;
      const keys = [key, ...asking.from.keys];
      const instance = open.fanOut.instances.get(key);
      if (instance === asking.instance) continue;
      const from = this.declared({ ...reference, steps }, { ...asking, from: { namespace, keys } });
      if (from === undefined) return undefined;
      if (from !== 'left out') found.push({ key, from });
    }
    return found;
  }

  private collection(node: Located, asking: Asking): readonly Keyed[] | undefined {
    if (node.type !== 'object') return this.members(node, asking);
    const found: Keyed[] = [];
    for (const { key, value } of node.members.values()) {
      const from = this.output(value, key, asking);
      if (from === undefined) return undefined;
      if (from !== 'left out') found.push({ key, from });
    }
    return found;
  }

  private declared(reference: PortReference, asking: Asking): OutputRef | DisabledRef | 'left out' | undefined {
    const found = this.walk(reference.steps, asking.from);
    if (found === undefined || 'disabled' in found) return found && { ...found, at: reference.at };
    if (isGroup(found)) return this.exported(found, reference, asking);
    if (found === asking.instance) return this.refuse(selfReference(reference.at, found.id));
    const port = this.port(found, reference, asking.from.keys);
    return port === undefined ? undefined : { producer: found, port, text: reference.text, at: reference.at };
  }

  /** An output of a group is an output of one of its stages, read where they stand. */
  private exported(
    group: StageGroup,
    reference: PortReference,
    asking: Asking,
  ): OutputRef | DisabledRef | 'left out' | undefined {
    const { port, portKey } = reference;
    const node = group.outputs.get(port.text);
    if (node === undefined || portKey !== undefined) {
      const written = portKey === undefined ? port.text : `${port.text}[${portKey.text}]`;
      return this.refuse(outputNotDeclared(port.at, group.id, written, [...group.outputs.keys()].filter(isPublic)));
    }
    const keys = [...new Set([...group.inside.keys, ...asking.from.keys])];
    const inside = { namespace: group.inside.namespace, keys };
    return this.placed(this.output(node, port.text, { ...asking, from: inside }), reference);
  }

  /** Problems with what was found are problems of the reference that led there. */
  private placed<T extends OutputRef | DisabledRef>(
    found: T | 'left out' | undefined,
    { text, at }: PortReference,
  ): T | 'left out' | undefined {
    if (found === undefined || found === 'left out') return found;
    return 'producer' in found ? { ...found, text, at } : { ...found, at };
  }

  private walk(steps: readonly Step[], from: Surroundings): Found | undefined {
    let place = from;
    for (const [index, step] of steps.entries()) {
      const fanOut = this.names.fanOut(step, place.namespace, index === 0);
      const key = fanOut && this.names.instanceKey(fanOut, step, place, undefined);
      if (fanOut === undefined || key === undefined) return undefined;
      if (fanOut.disabled.has(key)) return { disabled: idOf(place.namespace, fanOut, key), at: step.stage.at };
      const instance = fanOut.instances.get(key);
      if (instance === undefined || index === steps.length - 1) return instance;
      if (!isGroup(instance)) return this.refuse(notAGroup(step.stage.at, instance.id, instance.kind.kind));
      place = { namespace: instance.inside.namespace, keys: [...instance.inside.keys, ...from.keys] };
    }
    return undefined;
  }

  /** The first step that means several instances. */
  private openStep(
    steps: readonly Step[],
    from: Surroundings,
  ): { readonly index: number; readonly fanOut: FanOut } | 'none' | undefined {
    for (const [index, step] of steps.entries()) {
      const before = index === 0 ? undefined : this.walk(steps.slice(0, index), from);
      if (index > 0 && (before === undefined || 'disabled' in before)) return before === undefined ? undefined : 'none';
      if (before !== undefined && !('inside' in before)) return 'none';
      const fanOut = this.names.fanOut(step, before?.inside.namespace ?? from.namespace, index === 0);
      if (fanOut === undefined) return undefined;
      if (fanOut.domain !== 'none' && step.key === undefined) return { index, fanOut };
    }
    return 'none';
  }

  private keyedOutputs(reference: PortReference, asking: Asking): readonly Keyed[] | undefined {
    const producer = this.walk(reference.steps, asking.from);
    if (producer === undefined || 'disabled' in producer) return [];
    if (isGroup(producer)) {
      const node = producer.outputs.get(reference.port.text);
      return node === undefined ? [] : this.members(node, { ...asking, from: producer.inside });
    }
    const { text, at, port } = reference;
    return outputNames(producer).flatMap((name) => {
      const key = memberKey(name, port.text);
      return key === undefined ? [] : [{ key, from: { producer, port: name, text, at } }];
    });
  }

  private portReference(node: Located, field: string): PortReference | undefined {
    if (node.type !== 'string') return this.refuse(wrongShape(node.at, field, 'a reference to an output'));
    return parsePortReference(node) ?? this.refuse(malformedReference(innerPlace(node), node.value));
  }

  private port(producer: StageInstance, { port, portKey }: PortReference, keys: readonly string[]): string | undefined {
    const outputs = outputNames(producer);
    const written = portKey === undefined ? port.text : `${port.text}[${portKey.text}]`;
    if (outputs.includes(written)) return written;
    const zipped = keys.map((key) => `${port.text}[${key}]`).find((name) => outputs.includes(name));
    if (portKey === undefined && zipped !== undefined) return zipped;
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

/**
 * What was given is read where it was written. Where nobody there has a key for it, the reader's own count: in a template,
 * `forEach: tasks` reads `inputs.head`, given as `float.head`, head by head.
 */
export function asGiven({ from }: GivenBinding, asking: Asking): Surroundings {
  return { namespace: from.namespace, keys: [...new Set([...from.keys, ...asking.from.keys])] };
}

function withKey([first, ...more]: PortReference['steps'], index: number, key: string): PortReference['steps'] {
  const keyed = (step: Step, at: number): Step =>
    at === index ? { ...step, key: { text: key, at: step.stage.at } } : step;
  return [keyed(first, 0), ...more.map((step, at) => keyed(step, at + 1))];
}

/** A loop's judgement is between itself and its body. */
function isPublic(name: string): boolean {
  return !name.startsWith('until-');
}

function idOf(namespace: Namespace, fanOut: FanOut, key: string): string {
  return `${namespace.path}${key === '' ? fanOut.spec.name : `${fanOut.spec.name}[${key}]`}`;
}
