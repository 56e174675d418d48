// Instances → linked stages: every input, data edge and `after` looked up; missing and unknown ports reported.
import {
  byKeyMissing,
  byKeyUnknown,
  byKeyWithoutKey,
  collectExpected,
  collectForwarded,
  dataNotDeclared,
  disabledProducer,
  inputMissing,
  inputNotDeclared,
} from '../diagnostics/catalogue/links.ts';
import { severalGates } from '../diagnostics/catalogue/gates.ts';
import { splitSharedWithReport, wrongShape } from '../diagnostics/catalogue/parameters.ts';
import { ENOUGH_PROBLEMS } from '../diagnostics/diagnostic.ts';
import { memberOf } from '../diagnostics/located-json.ts';
import type { Located } from '../diagnostics/located-json.ts';
import { parsePortReference } from '../expression/reference.ts';
import type { InputPort, Ports } from '../stages/stage-kind.ts';
import type { Declarations } from './declarations.ts';
import { linkAfter } from './link-after.ts';
import { CollectionLinker } from './link-collection.ts';
import type { Lookups } from './link-after.ts';
import { isDisabled } from './linked-stage.ts';
import type { Alternative, DisabledRef, LinkedBinding, LinkedInput, LinkedStage } from './linked-stage.ts';
import { asGiven, Lookup } from './lookup.ts';
import type { Asking } from './name-lookup.ts';
import { stagesIn } from './namespace.ts';
import { OrderLookup } from './order-lookup.ts';
import type { InstanceInput, Namespace, Problems, StageInstance } from './instance.ts';

/** Not given: a key that `byKey` leaves out, or a disabled producer, on a port that may be left out. */
type Bound = LinkedBinding | 'not given' | undefined;

export function linkStages(declarations: Declarations, root: Namespace, problems: Problems): readonly LinkedStage[] {
  const lookups: Lookups = { data: new Lookup(problems), order: new OrderLookup(problems) };
  return stagesIn(root).flatMap((instance) =>
    problems.length < ENOUGH_PROBLEMS ? new StageLinker(declarations, root, lookups, instance, problems).link() : [],
  );
}

class StageLinker {
  private readonly declarations: Declarations;
  private readonly root: Namespace;
  private readonly lookups: Lookups;
  private readonly asking: Asking;
  private readonly instance: StageInstance;
  private readonly problems: Problems;
  private readonly collections: CollectionLinker;
  private readonly inputs = new Map<string, LinkedInput>();

  constructor(
    declarations: Declarations,
    root: Namespace,
    lookups: Lookups,
    instance: StageInstance,
    problems: Problems,
  ) {
    this.declarations = declarations;
    this.root = root;
    this.lookups = lookups;
    this.instance = instance;
    this.asking = { instance, from: instance.from };
    this.problems = problems;
    this.collections = new CollectionLinker(lookups.data, problems);
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
    const timed = instance.timed.flatMap(stagesIn).filter(({ kind }) => kind.runsOn !== 'engine');
    return { instance, inputs: this.inputs, after: linkAfter(instance, this.lookups, this.problems), timed };
  }

  private linkInput(input: InstanceInput): void {
    const { ports, kind, id } = this.instance;
    const read = ports.data?.find(({ port }) => port === input.port);
    const declared = read === undefined ? ports.inputs.find(({ name }) => name === input.port) : dataPort(read);
    if (declared === undefined && ports.open === undefined) {
      this.problems.push(
        inputNotDeclared(input.portAt, id, kind.kind, input.port, [
          ...ports.inputs.map(({ name }) => name),
          ...(ports.data ?? []).map(({ port }) => port),
        ]),
      );
      return;
    }
    const port = declared ?? openPort(input);
    const binding = this.bind(port, input.node, this.asking);
    if (binding === undefined || binding === 'not given') return;
    if (binding.shape === 'collect' && ports.open === 'forward') this.problems.push(collectForwarded(input.portAt, id));
    if (port.unused !== true) this.inputs.set(port.name, { port, binding });
    if (read !== undefined) this.keepReportUnseen(read, binding);
  }

  /** For data given to a stage what holds for a task's own: nothing that trains, calibrates or decides sees what is reported. */
  private keepReportUnseen({ task: own, split }: DataRead, binding: LinkedBinding): void {
    const refs =
      binding.shape === 'one'
        ? [binding.from]
        : binding.shape === 'oneOf'
          ? binding.alternatives.flatMap(({ from }) => (isDisabled(from) ? [] : [from]))
          : [];
    for (const [task, { data }] of this.declarations.tasks) {
      if (split === 'report' && task !== own) continue;
      for (const [declared, node] of data) {
        if ((declared === 'report') === (split === 'report')) continue;
        const kept = this.lookups.data.output(node, declared, this.atRoot([task]));
        if (kept === undefined || kept === 'left out' || isDisabled(kept)) continue;
        const shared = refs.find(({ producer, port }) => producer === kept.producer && port === kept.port);
        if (shared !== undefined)
          this.problems.push(splitSharedWithReport(shared.at, task, split === 'report' ? declared : split));
      }
    }
  }

  private linkModel(): void {
    const port = this.instance.ports.inputs.find(({ name }) => name === 'model');
    const { modelFrom } = this.declarations;
    if (port === undefined || modelFrom === undefined || this.instance.context.given.includes('model')) return;
    const binding = this.single(port, modelFrom, this.atRoot(this.instance.from.keys));
    if (binding !== undefined && binding !== 'not given') this.inputs.set('model', { port, binding });
  }

  /** Of a task's data a stage is given another set under the port's own name, such as `data[train]`. */
  private linkData(): void {
    const { given } = this.instance.context;
    for (const read of this.instance.ports.data ?? []) {
      const { port: name, task, split } = read;
      if (given.includes(name)) continue;
      const declared = this.declarations.tasks.get(task);
      const node = declared?.data.get(split);
      if (declared === undefined) continue;
      if (node === undefined) {
        this.problems.push(dataNotDeclared(declared.nameAt, task, split, this.instance.spec.name));
        continue;
      }
      const port = dataPort(read);
      const binding = this.single(port, node, this.atRoot([task]));
      if (binding !== undefined && binding !== 'not given') this.inputs.set(name, { port, binding });
    }
  }

  /** Tasks and the model are declared outside of every group. */
  private atRoot(keys: readonly string[]): Asking {
    return { instance: this.instance, from: { namespace: this.root, keys } };
  }

  private bind(port: InputPort, node: Located, asking: Asking): Bound {
    const collect = memberOf(node, 'collect');
    if (collect !== undefined) return this.collections.collect(port, collect, asking);
    const all = memberOf(node, 'all');
    if (all?.type === 'array') return this.collections.all(port, all, asking);
    const given = this.givenBy(node, asking);
    if (given === 'left out') return this.leftOut(port, node);
    if (given !== 'none') return given && this.bind(port, given.node, { ...asking, from: asGiven(given, asking) });
    if (port.arity === 'collect' && port.type !== 'any')
      return void this.problems.push(collectExpected(node.at, port.name));
    const alternatives = memberOf(node, 'oneOf');
    if (alternatives !== undefined) return this.oneOf(alternatives, asking);
    const byKey = memberOf(node, 'byKey');
    if (byKey !== undefined) return this.byKey(port, byKey, asking);
    return this.single(port, node, asking);
  }

  /** `inputs.NAME` and `carry.NAME` stand for whatever was given, a join or a collection too. */
  private givenBy(node: Located, asking: Asking): ReturnType<Lookup['given']> {
    const reference = node.type === 'string' ? parsePortReference(node) : undefined;
    return reference === undefined ? 'none' : this.lookups.data.given(reference, asking);
  }

  private single(port: InputPort, node: Located, asking: Asking): Bound {
    const from = this.lookups.data.output(node, port.name, asking);
    if (from === 'left out') return this.leftOut(port, node);
    if (from === undefined) return undefined;
    if (!isDisabled(from)) return { shape: 'one', from };
    return port.arity === 'optional' ? 'not given' : this.refuseDisabled(from);
  }

  private leftOut(port: InputPort, node: Located): Bound {
    if (port.arity === 'optional') return 'not given';
    return void this.problems.push(inputMissing(node.at, this.instance.id, port.name, port.help));
  }

  private byKey(port: InputPort, node: Located, asking: Asking): Bound {
    const { keys } = asking.from;
    const [own] = keys;
    if (own === undefined) return void this.problems.push(byKeyWithoutKey(node.at));
    this.checkKeys(node, asking);
    const chosen = keys.map((key) => memberOf(node, key)).find((value) => value !== undefined);
    if (chosen !== undefined) return this.single(port, chosen, asking);
    if (port.arity === 'optional') return 'not given';
    return void this.problems.push(byKeyMissing(node.at, own, node.type === 'object' ? [...node.members.keys()] : []));
  }

  /** A misspelt key would silently mean `not given`. */
  private checkKeys(node: Located, { from }: Asking): void {
    const { key, spec } = this.instance;
    const { tasks } = this.declarations;
    const siblings = [...(this.instance.from.namespace.fanOuts.get(spec.name)?.instances.keys() ?? [])];
    const inside = from.keys.some((candidate) => tasks.has(candidate)) || key === undefined;
    const known = [...new Set([...(inside ? tasks.keys() : siblings), ...from.keys])];
    for (const member of node.type === 'object' ? node.members.values() : []) {
      if (!known.includes(member.key)) this.problems.push(byKeyUnknown(member.keyAt, member.key, known));
    }
  }

  private oneOf(node: Located, asking: Asking): Bound {
    if (node.type !== 'array') return void this.problems.push(wrongShape(node.at, 'oneOf', 'a list of alternatives'));
    const alternatives = node.items.map((item) => this.alternative(item, asking));
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

  private alternative(node: Located, asking: Asking): Alternative | undefined {
    const when = memberOf(node, 'when');
    const reference = memberOf(node, 'from');
    if (when === undefined || reference === undefined) {
      return void this.problems.push(
        wrongShape(node.at, 'oneOf', 'a list of {"when": "gate:case", "from": "stage.port"}'),
      );
    }
    const cases = this.lookups.order.cases(when.type === 'array' ? when.items : [when], 'when', when.at, asking);
    const from = this.lookups.data.output(reference, 'from', asking);
    const [only] = cases ?? [];
    if (cases === undefined || from === undefined || from === 'left out') return undefined;
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

type DataRead = NonNullable<Ports['data']>[number];

function dataPort({ port, task, split }: DataRead): InputPort {
  return { name: port, type: { artifact: 'dataset' }, arity: 'one', help: `the ${split} data of task "${task}"` };
}

function openPort({ port }: InstanceInput): InputPort {
  return { name: port, type: 'any', arity: 'optional', help: 'whatever it is given' };
}
