// Gates and joins of the whole graph: which cases end the run, that every join has exactly one alternative for each case
// after which the run goes on. What the cases themselves ask for is checked in `check-cases.ts`.
import {
  alternativeMayBeMissing,
  caseNotDeclared,
  incompleteJoin,
  overlappingJoin,
  stopUnconditional,
} from '../diagnostics/catalogue/gates.ts';
import { innerPlace, nodeAt } from '../diagnostics/located-json.ts';
import type { Place } from '../diagnostics/source.ts';
import type { Condition, Conditions } from './conditions.ts';
import type { Problems, StageInstance } from './instance.ts';
import { checkCases } from './check-cases.ts';
import { checkCriteria } from './check-criteria.ts';
import { isDisabled } from './linked-stage.ts';
import type { Alternative, LinkedStage } from './linked-stage.ts';
import { ProducerTrace } from './trace-producers.ts';

/** @param warnings of criteria that are hardly meant, and have a use. */
export function checkGates(
  order: readonly LinkedStage[],
  conditions: Conditions,
  problems: Problems,
  warnings: Problems,
): void {
  const checker = new GateChecker(order, conditions, problems);
  const trace = new ProducerTrace(order, conditions);
  const stages = new Map(order.map((stage) => [stage.instance, stage]));
  for (const stage of order) {
    if (stage.instance.kind.role === 'gate') {
      checkCases(stage, stages, problems);
      if (!conditions.pruned.has(stage.instance))
        checkCriteria(stage, trace.producersOf(stage.instance), problems, warnings);
    }
    if (stage.instance.kind.role === 'stop') checkStop(stage, problems);
    for (const { binding } of stage.inputs.values()) {
      if (binding.shape === 'oneOf') checker.checkJoin(stage, binding.alternatives, binding.at);
    }
  }
}

function checkStop({ instance, after }: LinkedStage, problems: Problems): void {
  if (!after.some((element) => element.kind === 'case'))
    problems.push(stopUnconditional(instance.spec.nameAt, instance.id));
}

class GateChecker {
  private readonly conditions: Conditions;
  private readonly problems: Problems;
  /** Gate → the cases on which a stop hangs directly. */
  private readonly terminal = new Map<StageInstance, Set<string>>();

  constructor(order: readonly LinkedStage[], conditions: Conditions, problems: Problems) {
    this.conditions = conditions;
    this.problems = problems;
    for (const stage of order) {
      if (stage.instance.kind.role === 'stop') this.addTerminal(stage);
      if (stage.instance.kind.role === 'gate') this.addFailing(stage.instance);
    }
  }

  private addFailing(gate: StageInstance): void {
    const { failOn } = gate.context.settings;
    const names = gate.cases.map(({ name }) => name);
    for (const [index, item] of (Array.isArray(failOn) ? failOn : []).entries()) {
      const name = String(item);
      if (names.includes(name)) this.terminalOf(gate).add(name);
      else {
        const at = innerPlace(nodeAt(gate.withNode, ['failOn', index]));
        this.problems.push(caseNotDeclared(at, gate.id, name, names));
      }
    }
  }

  private terminalOf(gate: StageInstance): Set<string> {
    const known = this.terminal.get(gate) ?? new Set();
    this.terminal.set(gate, known);
    return known;
  }

  /** A case ends the run if a stop needs nothing beyond it (and beyond what the gate itself needed). */
  private addTerminal({ instance, after }: LinkedStage): void {
    if (this.conditions.pruned.has(instance)) return;
    for (const element of after) {
      if (element.kind !== 'case') continue;
      const { gate, cases } = element.ref;
      if (!this.implied(this.condition(instance), this.condition(gate), gate)) continue;
      for (const name of cases) this.terminalOf(gate).add(name);
    }
  }

  private implied(condition: Condition, by: Condition, except: StageInstance): boolean {
    for (const [gate, cases] of condition) {
      if (gate !== except && by.get(gate)?.every((name) => cases.includes(name)) !== true) return false;
    }
    return true;
  }

  checkJoin({ instance, after }: LinkedStage, alternatives: readonly Alternative[], at: Place): void {
    const gate = alternatives[0]?.when.gate;
    if (gate === undefined) return;
    const covered = new Set<string>();
    for (const { when } of alternatives) {
      for (const name of when.cases) {
        if (covered.has(name)) this.problems.push(overlappingJoin(when.at, gate.id, name));
        covered.add(name);
      }
    }
    if (this.conditions.pruned.has(instance)) return;
    // The joining stage's own `after` may already rule cases out.
    const own = after.flatMap((element) =>
      element.kind === 'case' && element.ref.gate === gate ? [element.ref.cases] : [],
    );
    const missing = this.continuing(gate).filter(
      (name) => !covered.has(name) && own.every((cases) => cases.includes(name)),
    );
    if (missing.length > 0) this.problems.push(incompleteJoin(at, gate.id, missing));
    for (const alternative of alternatives) this.checkAlternative(instance, alternative);
  }

  /** When its case is chosen, the alternative must exist: its producer may need no other gate to choose well. */
  private checkAlternative(instance: StageInstance, { when, from }: Alternative): void {
    if (isDisabled(from) || this.conditions.pruned.has(from.producer)) return;
    const known = [this.condition(when.gate), this.condition(instance)];
    for (const [gate, cases] of this.condition(from.producer)) {
      if (known.some((condition) => condition.get(gate)?.every((name) => cases.includes(name)) === true)) continue;
      const open = gate === when.gate ? when.cases : this.continuing(gate);
      const missing = open.filter((name) => !cases.includes(name) && this.continuing(gate).includes(name));
      if (missing.length > 0) this.problems.push(alternativeMayBeMissing(from.at, from.text, gate.id, missing));
    }
  }

  /** The cases that can be chosen and after which the run goes on. */
  private continuing(gate: StageInstance): readonly string[] {
    const terminal = this.terminal.get(gate);
    return (this.conditions.remaining.get(gate) ?? []).filter((name) => terminal?.has(name) !== true);
  }

  private condition(instance: StageInstance): Condition {
    return this.conditions.of.get(instance) ?? new Map();
  }
}
