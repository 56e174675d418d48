// Instances → linked stages: every input, data edge and `after` looked up; missing and unknown ports reported.
import {
  byKeyMissing,
  byKeyUnknown,
  byKeyWithoutKey,
  collectExpected,
  collectForwarded,
  collectKeyMissing,
  collectKeyUnknown,
  collectNotExpected,
  collectNothing,
  dataNotDeclared,
  disabledProducer,
  inputMissing,
  inputNotDeclared,
} from '../diagnostics/catalogue/links.ts';
import { severalGates } from '../diagnostics/catalogue/gates.ts';
import { wrongShape } from '../diagnostics/catalogue/parameters.ts';
import { memberOf } from '../diagnostics/located-json.ts';
import type { Located } from '../diagnostics/located-json.ts';
import type { InputPort } from '../stages/stage-kind.ts';
import type { Declarations } from './declarations.ts';
import type { FanOuts } from './expand.ts';
import type { InstanceInput, Problems, StageInstance } from './instance.ts';
import { linkAfter } from './link-after.ts';
import { isDisabled } from './linked-stage.ts';
import type { Alternative, DisabledRef, LinkedBinding, LinkedInput, LinkedStage, OutputRef } from './linked-stage.ts';
import { Lookup } from './lookup.ts';

/** Not given: a key that `byKey` leaves out, or a disabled producer, on a port that may be left out. */
type Bound = LinkedBinding | 'not given' | undefined;

export function linkStages(declarations: Declarations, fanOuts: FanOuts, problems: Problems): readonly LinkedStage[] {
  const lookup = new Lookup(fanOuts, problems);
  const instances = [...fanOuts.values()].flatMap((fanOut) => [...fanOut.instances.values()]);
  return instances.map((instance) => new StageLinker(declarations, lookup, instance, problems).link());
}

class StageLinker {
  private readonly declarations: Declarations;
  private readonly lookup: Lookup;
  private readonly instance: StageInstance;
  private readonly problems: Problems;
  private readonly inputs = new Map<string, LinkedInput>();

  constructor(declarations: Declarations, lookup: Lookup, instance: StageInstance, problems: Problems) {
    this.declarations = declarations;
    this.lookup = lookup;
    this.instance = instance;
    this.problems = problems;
  }

  link(): LinkedStage {
    const { instance } = this;
    for (const input of instance.inputs) this.linkInput(input);
    this.linkModel();
    this.linkData();
    for (const port of instance.ports.inputs) {
      if (port.arity === 'optional' || this.inputs.has(port.name) || instance.context.given.includes(port.name))
        continue;
      if (port.unused !== true)
        this.problems.push(inputMissing(instance.spec.nameAt, instance.id, port.name, port.help));
    }
    return { instance, inputs: this.inputs, after: linkAfter(instance, this.lookup, this.problems) };
  }

  private linkInput(input: InstanceInput): void {
    const { ports, kind, id } = this.instance;
    const declared = ports.inputs.find((port) => port.name === input.port);
    if (declared === undefined && ports.open === undefined) {
      this.problems.push(
        inputNotDeclared(
          input.portAt,
          id,
          kind.kind,
          input.port,
          ports.inputs.map((port) => port.name),
        ),
      );
      return;
    }
    const port = declared ?? openPort(input);
    const binding = this.bind(port, input.node);
    if (binding === undefined || binding === 'not given') return;
    if (binding.shape === 'collect' && ports.open === 'forward') this.problems.push(collectForwarded(input.portAt, id));
    if (port.unused !== true) this.inputs.set(port.name, { port, binding });
  }

  private linkModel(): void {
    const port = this.instance.ports.inputs.find(({ name }) => name === 'model');
    const { modelFrom } = this.declarations;
    if (port === undefined || modelFrom === undefined || this.instance.context.given.includes('model')) return;
    const binding = this.single(port, modelFrom, this.instance.zipKey);
    if (binding !== undefined && binding !== 'not given') this.inputs.set('model', { port, binding });
  }

  private linkData(): void {
    for (const { port: name, task, split } of this.instance.ports.data ?? []) {
      const declared = this.declarations.tasks.get(task);
      const node = declared?.data.get(split);
      if (declared === undefined) continue;
      if (node === undefined) {
        this.problems.push(dataNotDeclared(declared.nameAt, task, split, this.instance.spec.name));
        continue;
      }
      const port: InputPort = {
        name,
        type: { artifact: 'dataset' },
        arity: 'one',
        help: `the ${split} data of task "${task}"`,
      };
      const binding = this.single(port, node, task);
      if (binding !== undefined && binding !== 'not given') this.inputs.set(name, { port, binding });
    }
  }

  private bind(port: InputPort, node: Located): Bound {
    const collect = memberOf(node, 'collect');
    if (collect !== undefined) return this.collect(port, collect);
    if (port.arity === 'collect' && port.type !== 'any')
      return void this.problems.push(collectExpected(node.at, port.name));
    const alternatives = memberOf(node, 'oneOf');
    if (alternatives !== undefined) return this.oneOf(alternatives);
    const byKey = memberOf(node, 'byKey');
    if (byKey !== undefined) return this.byKey(port, byKey);
    return this.single(port, node, this.instance.zipKey);
  }

  private single(port: InputPort, node: Located, zipKey: string | undefined): Bound {
    const from = this.lookup.output(node, port.name, { instance: this.instance, zipKey });
    if (from === undefined) return undefined;
    if (!isDisabled(from)) return { shape: 'one', from };
    return port.arity === 'optional' ? 'not given' : this.refuseDisabled(from);
  }

  private byKey(port: InputPort, node: Located): Bound {
    const { zipKey } = this.instance;
    if (zipKey === undefined) return void this.problems.push(byKeyWithoutKey(node.at));
    this.checkKeys(node);
    const chosen = memberOf(node, zipKey);
    if (chosen !== undefined) return this.single(port, chosen, zipKey);
    if (port.arity === 'optional') return 'not given';
    const keys = node.type === 'object' ? [...node.members.keys()] : [];
    return void this.problems.push(byKeyMissing(node.at, zipKey, keys));
  }

  /** A misspelt key would silently mean `not given`. */
  private checkKeys(node: Located): void {
    const { key, spec } = this.instance;
    const { tasks } = this.declarations;
    const known = key === undefined || tasks.has(key) ? [...tasks.keys()] : listOf(spec.forEach);
    for (const member of node.type === 'object' ? node.members.values() : []) {
      if (!known.includes(member.key)) this.problems.push(byKeyUnknown(member.keyAt, member.key, known));
    }
  }

  private collect(port: InputPort, node: Located): Bound {
    if (port.arity !== 'collect' && port.named !== true && port.type !== 'any' && port.unused !== true) {
      return void this.problems.push(collectNotExpected(node.at, port.name));
    }
    const written =
      node.type === 'object'
        ? this.listed(port, node)
        : this.lookup.members(node, { instance: this.instance, zipKey: undefined });
    if (written === undefined) return undefined;
    const wanted = written.filter(({ key }) => port.keys?.includes(key) ?? true);
    const items = wanted.flatMap(({ key, from }) => (isDisabled(from) ? [] : [{ key, from }]));
    for (const key of port.keys ?? []) {
      const found = wanted.find((item) => item.key === key);
      if (found === undefined) return void this.problems.push(collectKeyMissing(node.at, port.name, key));
      if (isDisabled(found.from)) return this.refuseDisabled(found.from);
    }
    const nothing = items.length === 0 && port.keys?.length !== 0;
    if (nothing && node.type === 'string') return void this.problems.push(collectNothing(node.at, node.value));
    return { shape: 'collect', items };
  }

  private listed(
    port: InputPort,
    node: Located & { type: 'object' },
  ): readonly { readonly key: string; readonly from: OutputRef | DisabledRef }[] | undefined {
    const before = this.problems.length;
    const items = [...node.members.values()].flatMap(({ key, keyAt, value }) => {
      if (port.keys?.includes(key) === false) this.problems.push(collectKeyUnknown(keyAt, port.name, key, port.keys));
      // Names of sets are no keys of a fan-out: those references zip as a single one would.
      const zipKey = port.named === true ? this.instance.zipKey : key;
      const from = this.lookup.output(value, port.name, { instance: this.instance, zipKey });
      return from === undefined ? [] : [{ key, from }];
    });
    return this.problems.length > before ? undefined : items;
  }

  private oneOf(node: Located): Bound {
    if (node.type !== 'array') return void this.problems.push(wrongShape(node.at, 'oneOf', 'a list of alternatives'));
    const alternatives = node.items.map((item) => this.alternative(item));
    const complete = alternatives.filter((item) => item !== undefined);
    if (complete.length < alternatives.length) return undefined;
    const gates = new Set(complete.map(({ when }) => when.gate));
    if (gates.size > 1)
      return void this.problems.push(
        severalGates(
          { ...node.at, length: 1 },
          [...gates].map((gate) => gate.id),
        ),
      );
    return { shape: 'oneOf', at: { ...node.at, length: 1 }, alternatives: complete };
  }

  private alternative(node: Located): Alternative | undefined {
    const when = memberOf(node, 'when');
    const reference = memberOf(node, 'from');
    if (when === undefined || reference === undefined) {
      return void this.problems.push(
        wrongShape(node.at, 'oneOf', 'a list of {"when": "gate:case", "from": "stage.port"}'),
      );
    }
    const asking = { instance: this.instance, zipKey: this.instance.zipKey };
    const cases = this.lookup.cases(when.type === 'array' ? when.items : [when], 'when', when.at, asking);
    const from = this.lookup.output(reference, 'from', asking);
    const [only] = cases ?? [];
    if (cases === undefined || from === undefined) return undefined;
    if (only === undefined || cases.length > 1) {
      return void this.problems.push(
        severalGates(
          when.at,
          cases.map(({ gate }) => gate.id),
        ),
      );
    }
    return { when: only, from };
  }

  private refuseDisabled(ref: DisabledRef): undefined {
    this.problems.push(disabledProducer(ref.at, ref.disabled));
  }
}

function listOf(node: Located | undefined): readonly string[] {
  return node?.type === 'array' ? node.items.flatMap((item) => (item.type === 'string' ? [item.value] : [])) : [];
}

function openPort({ port }: InstanceInput): InputPort {
  return { name: port, type: 'any', arity: 'optional', help: 'whatever it is given' };
}
