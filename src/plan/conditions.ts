// When an instance runs, as far as it is known before anything does: which cases each gate must have chosen. A
// condition is a conjunction "gate g chose one of these"; for a join it is what all alternatives have in common, so it is
// never stronger than the truth and a contradiction found in it is real.
import { caseNeverChosen, neverBoth } from '../diagnostics/catalogue/gates.ts';
import { disabledProducer } from '../diagnostics/catalogue/links.ts';
import type { Place } from '../diagnostics/source.ts';
import { remainingCases } from './gate-cases.ts';
import type { Problems, StageInstance } from './instance.ts';
import { isDisabled } from './linked-stage.ts';
import type { Alternative, LinkedCases, LinkedStage } from './linked-stage.ts';

/** Gate → the cases it may have chosen, as written (cases left out by parameters included). */
export type Condition = ReadonlyMap<StageInstance, readonly string[]>;

export interface Conditions {
  readonly of: ReadonlyMap<StageInstance, Condition>;
  /** Instances that no run with these parameters can reach: they hang on cases that parameters leave out. */
  readonly pruned: ReadonlySet<StageInstance>;
  /** Gate → the cases that can still be chosen. */
  readonly remaining: ReadonlyMap<StageInstance, readonly string[]>;
}

export function findConditions(order: readonly LinkedStage[], problems: Problems): Conditions {
  return new ConditionFinder(problems).find(order);
}

const always: Condition = new Map();

class ConditionFinder {
  private readonly problems: Problems;
  private readonly of = new Map<StageInstance, Condition>();
  private readonly pruned = new Set<StageInstance>();
  private readonly remaining = new Map<StageInstance, readonly string[]>();

  constructor(problems: Problems) {
    this.problems = problems;
  }

  find(order: readonly LinkedStage[]): Conditions {
    for (const stage of order) {
      const { instance } = stage;
      if (instance.kind.role === 'gate') {
        this.remaining.set(
          instance,
          remainingCases(instance.cases).map((item) => item.name),
        );
      }
      this.of.set(instance, this.conditionOf(stage));
    }
    return { of: this.of, pruned: this.pruned, remaining: this.remaining };
  }

  private conditionOf({ instance, inputs, after }: LinkedStage): Condition {
    let condition = always;
    const require = (more: Condition, at: Place): void => {
      condition = this.conjunction(condition, more, instance, at);
    };
    const follow = (other: StageInstance, at: Place): void => {
      if (this.pruned.has(other)) this.pruned.add(instance);
      require(this.of.get(other) ?? always, at);
    };
    for (const element of after) {
      if (element.kind === 'stage') follow(element.stage, element.at);
      else {
        follow(element.ref.gate, element.ref.at);
        this.checkReachable(element.ref);
        require(new Map([[element.ref.gate, element.ref.cases]]), element.ref.at);
      }
    }
    for (const { binding } of inputs.values()) {
      if (binding.shape === 'one') follow(binding.from.producer, binding.from.at);
      else if (binding.shape === 'collect') for (const { from } of binding.items) follow(from.producer, from.at);
      else require(this.joined(instance, binding.alternatives), binding.at);
    }
    if (this.isPruned(condition)) this.pruned.add(instance);
    return condition;
  }

  /** What the alternatives have in common, as written; one for a left-out case cannot make the join run. */
  private joined(instance: StageInstance, alternatives: readonly Alternative[]): Condition {
    const conditions: Condition[] = [];
    let reachable = false;
    for (const { when, from } of alternatives) {
      this.checkReachable(when);
      const gate = this.conjunction(
        this.of.get(when.gate) ?? always,
        new Map([[when.gate, when.cases]]),
        instance,
        when.at,
      );
      const chosen = isDisabled(from)
        ? gate
        : this.conjunction(gate, this.of.get(from.producer) ?? always, instance, from.at);
      const live = !this.pruned.has(when.gate) && !this.isPruned(gate);
      if (live && isDisabled(from)) this.problems.push(disabledProducer(from.at, from.disabled));
      reachable ||= live && (isDisabled(from) || !this.pruned.has(from.producer));
      conditions.push(chosen);
    }
    if (!reachable) this.pruned.add(instance);
    return common(conditions);
  }

  private conjunction(one: Condition, other: Condition, instance: StageInstance, at: Place): Condition {
    if (other.size === 0 || one === other) return one;
    if (one.size === 0) return other;
    const both = new Map(one);
    for (const [gate, cases] of other) {
      const before = both.get(gate);
      const left = before === undefined ? cases : cases.filter((name) => before.includes(name));
      if (before !== undefined && left.length === 0) {
        this.problems.push(neverBoth(at, instance.id, gate.id, before, cases));
        return one;
      }
      both.set(gate, left);
    }
    return both;
  }

  private isPruned(condition: Condition): boolean {
    for (const [gate, cases] of condition) {
      const remaining = this.remaining.get(gate) ?? [];
      if (!cases.some((name) => remaining.includes(name))) return true;
    }
    return false;
  }

  /** A case with a literal `"if": false` comes back with no parameter: whatever hangs on it alone is a mistake. */
  private checkReachable({ gate, cases, at }: LinkedCases): void {
    const named = gate.cases.filter((item) => cases.includes(item.name));
    const [first] = named;
    if (first?.neverAt !== undefined && named.every((item) => item.neverAt !== undefined)) {
      this.problems.push(caseNeverChosen(at, gate.id, first.name, first.neverAt));
    }
  }
}

/** Both at once; undefined where a gate would have to choose twice. */
export function jointly(one: Condition, other: Condition): Condition | undefined {
  const both = new Map(one);
  for (const [gate, cases] of other) {
    const before = both.get(gate);
    const left = before === undefined ? cases : cases.filter((name) => before.includes(name));
    if (left.length === 0) return undefined;
    both.set(gate, left);
  }
  return both;
}

function common(conditions: readonly Condition[]): Condition {
  const [first, ...rest] = conditions;
  const shared = new Map<StageInstance, readonly string[]>();
  for (const [gate, cases] of first ?? always) {
    const others = rest.map((condition) => condition.get(gate));
    if (others.every((other) => other !== undefined)) shared.set(gate, [...new Set([cases, ...others].flat())]);
  }
  return shared;
}
