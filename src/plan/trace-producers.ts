// From an input back to the stages that made what may arrive there: through joins, selections and loops, which only hand on.
// Branches that cannot have been taken where the reader runs are left out; every other one is followed.
import type { Member, OutputPort, Producer, Producers } from '../stages/stage-kind.ts';
import { canonicalJson } from '../support/canonical-json.ts';
import type { Place } from '../diagnostics/source.ts';
import { jointly, type Condition, type Conditions } from './conditions.ts';
import type { StageInstance } from './instance.ts';
import { isDisabled, type LinkedBinding, type LinkedStage, type OutputRef } from './linked-stage.ts';

export class ProducerTrace {
  private readonly stages: ReadonlyMap<StageInstance, LinkedStage>;
  private readonly conditions: Conditions;
  /** Pairs of instances, and whether their jobs may be the same. */
  private readonly compared = new Map<string, boolean>();

  constructor(order: readonly LinkedStage[], conditions: Conditions) {
    this.stages = new Map(order.map((stage) => [stage.instance, stage]));
    this.conditions = conditions;
  }

  /** What may arrive at the inputs of a stage when this holds beside its own condition. */
  producersOf(instance: StageInstance, condition: Condition = this.conditionOf(instance)): Producers {
    return {
      of: (member, beside) => {
        const both =
          beside instanceof TracedProducer ? jointly(condition, this.conditionOf(beside.instance)) : condition;
        return both === undefined ? [] : this.arriving(instance, member, both);
      },
    };
  }

  private arriving(instance: StageInstance, { port, key }: Member, condition: Condition): readonly TracedProducer[] {
    const input = this.stages.get(instance)?.inputs.get(port);
    return input === undefined ? [] : this.follow(this.refsOf(input.binding, condition, key), condition);
  }

  private follow(refs: readonly OutputRef[], condition: Condition): readonly TracedProducer[] {
    const found: TracedProducer[] = [];
    const seen = new Set<string>();
    // Where it arrives stays the place, however far back its maker is.
    const open = refs.map((ref) => ({ ref, at: ref.at }));
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { ref, at } = next;
      const { producer, port } = ref;
      const name = `${producer.id}.${port}`;
      if (seen.has(name) || this.conditions.pruned.has(producer)) continue;
      seen.add(name);
      const output = producer.ports.outputs.find((candidate) => candidate.name === port);
      const handedOn = this.stages.get(producer)?.inputs.get(port);
      if (output !== undefined) {
        const together = jointly(condition, this.conditionOf(producer));
        if (together !== undefined) found.push(new TracedProducer(this, producer, output, at, together));
      } else if (handedOn !== undefined)
        open.push(...this.refsOf(handedOn.binding, condition).map((inner) => ({ ref: inner, at })));
    }
    return found.reverse();
  }

  private refsOf(binding: LinkedBinding, condition: Condition, key?: string): readonly OutputRef[] {
    switch (binding.shape) {
      case 'one':
        return [binding.from];
      case 'collect':
        return binding.items.flatMap((item) => (key === undefined || item.key === key ? [item.from] : []));
      case 'oneOf':
        return binding.alternatives.flatMap(({ when, from }) => {
          const remaining = this.conditions.remaining.get(when.gate) ?? [];
          const cases = when.cases.filter((name) => remaining.includes(name));
          const open = cases.length > 0 && jointly(condition, new Map([[when.gate, cases]])) !== undefined;
          return !open || isDisabled(from) || this.conditions.pruned.has(when.gate) ? [] : [from];
        });
    }
  }

  /** Whether two outputs may hold the same bytes: of the same job on what may be the same inputs, or of a program. */
  mayEqual(one: TracedProducer, other: TracedProducer, depth = 0): boolean {
    if ([one, other].some(({ kind }) => kind.runsOn === 'command' || kind.runsOn === 'program')) return true;
    return one.output.name === other.output.name && this.jobsMayEqual(one.instance, other.instance, depth);
  }

  private jobsMayEqual(one: StageInstance, other: StageInstance, depth: number): boolean {
    if (one === other || depth > DEEPEST) return true;
    const pair = [one.id, other.id].sort().join(' ');
    const known = this.compared.get(pair);
    if (known !== undefined) return known;
    const equal = sameJob(one, other) && this.inputsMayEqual(one, other, depth);
    this.compared.set(pair, equal);
    return equal;
  }

  private inputsMayEqual(one: StageInstance, other: StageInstance, depth: number): boolean {
    const [left, right] = [one, other].map((instance) => this.stages.get(instance)?.inputs ?? new Map<string, never>());
    if (left === undefined || right === undefined || left.size !== right.size) return false;
    return [...left].every(([port, { binding }]) => {
      const members = membersOf(port, binding);
      const others = membersOf(port, right.get(port)?.binding);
      if (members.length !== others.length) return false;
      return members.every((member) => {
        const makers = this.arriving(one, member, this.conditionOf(one));
        const rivals = this.arriving(other, member, this.conditionOf(other));
        return makers.some((maker) => rivals.some((rival) => this.mayEqual(maker, rival, depth + 1)));
      });
    });
  }

  private conditionOf(instance: StageInstance): Condition {
    return this.conditions.of.get(instance) ?? new Map();
  }
}

/** So far back, two jobs that look the same are taken to be the same. */
const DEEPEST = 50;

/** What it is called and where it arrives, for a diagnostic. */
export class TracedProducer implements Producer {
  readonly instance: StageInstance;
  readonly output: OutputPort;
  readonly at: Place;
  readonly inputs: Producers;
  private readonly trace: ProducerTrace;
  private readonly condition: Condition;

  constructor(trace: ProducerTrace, instance: StageInstance, output: OutputPort, at: Place, condition: Condition) {
    this.trace = trace;
    this.instance = instance;
    this.output = output;
    this.at = at;
    this.condition = condition;
    this.inputs = trace.producersOf(instance, condition);
  }

  get name(): string {
    return `${this.instance.id}.${this.output.name}`;
  }

  get kind(): StageInstance['kind'] {
    return this.instance.kind;
  }

  get context(): StageInstance['context'] {
    return this.instance.context;
  }

  sibling(name: string): TracedProducer | undefined {
    const output = this.instance.ports.outputs.find((candidate) => candidate.name === name);
    return output && new TracedProducer(this.trace, this.instance, output, this.at, this.condition);
  }

  mayEqual(other: Producer): boolean {
    return !(other instanceof TracedProducer) || this.trace.mayEqual(this, other);
  }
}

function sameJob(one: StageInstance, other: StageInstance): boolean {
  if (one.kind !== other.kind || one.seed !== other.seed) return false;
  const [left, right] = [one, other].map(({ kind, context }) => canonicalJson(kind.jobSettings(context)));
  return left === right;
}

function membersOf(port: string, binding: LinkedBinding | undefined): readonly Member[] {
  if (binding === undefined) return [];
  return binding.shape === 'collect' ? binding.items.map(({ key }) => ({ port, key })) : [{ port }];
}
