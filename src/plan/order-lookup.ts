// What a stage comes after: stages, groups, and cases of gates, through groups where the path leads into one.
import { notAGroup } from '../diagnostics/catalogue/groups.ts';
import { caseNotDeclared, notAGate, severalGates } from '../diagnostics/catalogue/gates.ts';
import { malformedOrder, selfReference } from '../diagnostics/catalogue/links.ts';
import { wrongShape } from '../diagnostics/catalogue/parameters.ts';
import { innerPlace } from '../diagnostics/located-json.ts';
import type { Located } from '../diagnostics/located-json.ts';
import type { Place } from '../diagnostics/source.ts';
import { parseOrderReference } from '../expression/reference.ts';
import type { OrderReference, Step } from '../expression/reference.ts';
import type { LinkedCases } from './linked-stage.ts';
import { keysOf, NameLookup, type Asking } from './name-lookup.ts';
import { isGroup } from './namespace.ts';
import type { FanOut, Problems, StageGroup, StageInstance, Surroundings } from './instance.ts';

export class OrderLookup {
  private readonly problems: Problems;
  private readonly names: NameLookup;

  constructor(problems: Problems) {
    this.problems = problems;
    this.names = new NameLookup(problems);
  }

  /** `gate:case`, or several cases of one gate; a key `*` gives every instance its own entry. */
  cases(nodes: readonly Located[], field: string, whole: Place, asking: Asking): readonly LinkedCases[] | undefined {
    const byGate = new Map<StageInstance, string[]>();
    const stages = new Set<string>();
    for (const node of nodes) {
      const reference = this.orderReference(node, field);
      const gates = reference && this.instances(reference, asking);
      if (reference === undefined || gates === undefined) return undefined;
      stages.add(gates.length === 1 ? (gates[0]?.id ?? '') : reference.steps.map(({ stage }) => stage.text).join('/'));
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

  /** What `stage`, `stage[key]`, `stage[*]` and paths of these mean; disabled ones are left out. */
  instances(reference: OrderReference, asking: Asking): readonly (StageInstance | StageGroup)[] | undefined {
    let places: readonly Surroundings[] = [asking.from];
    let found: readonly (StageInstance | StageGroup)[] = [];
    for (const [index, step] of reference.steps.entries()) {
      const next: (StageInstance | StageGroup)[] = [];
      for (const place of places) {
        const fanOut = this.names.fanOut(step, place.namespace, index === 0);
        const keys = fanOut && this.orderKeys(fanOut, step, place, reference.case?.text);
        if (fanOut === undefined || keys === undefined) return undefined;
        next.push(...keys.flatMap((key) => fanOut.instances.get(key) ?? []));
      }
      found = next;
      if (index === reference.steps.length - 1) break;
      const groups = found.flatMap((instance) => (isGroup(instance) ? [instance.inside] : []));
      const [stage] = found.flatMap((instance) => (isGroup(instance) ? [] : [instance]));
      if (stage !== undefined) return this.refuse(notAGroup(step.stage.at, stage.id, stage.kind.kind));
      places = groups;
    }
    const [first] = found;
    if (first !== undefined && found.length === 1 && first === asking.instance)
      return this.refuse(selfReference(reference.at, first.id));
    return found;
  }

  private orderKeys(
    fanOut: FanOut,
    step: Step,
    place: Surroundings,
    caseName: string | undefined,
  ): readonly string[] | undefined {
    const every = [...fanOut.instances.keys()];
    if (fanOut.domain !== 'none' && step.key?.text === '*') return every;
    const known = keysOf(fanOut);
    // Order alone may wait for all of them; a case has to say whose.
    const zips = place.keys.some((key) => known.includes(key));
    if (fanOut.domain !== 'none' && step.key === undefined && caseName === undefined && !zips) return every;
    const key = this.names.instanceKey(fanOut, step, place, caseName);
    return key === undefined ? undefined : [key];
  }

  private hasCase(gate: StageInstance | StageGroup, reference: OrderReference): gate is StageInstance {
    const last = reference.steps.at(-1) ?? reference.steps[0];
    if (reference.case === undefined) {
      this.problems.push(malformedOrder(reference.at, reference.text));
      return false;
    }
    if (isGroup(gate) || gate.kind.role !== 'gate') {
      this.problems.push(notAGate(last.stage.at, gate.id, isGroup(gate) ? gate.spec.kind.value : gate.kind.kind));
      return false;
    }
    const names = gate.cases.map((item) => item.name);
    if (names.includes(reference.case.text)) return true;
    this.problems.push(caseNotDeclared(reference.case.at, gate.id, reference.case.text, names));
    return false;
  }

  private refuse(problem: Problems[number]): undefined {
    this.problems.push(problem);
    return undefined;
  }
}
