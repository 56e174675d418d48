// A stage of kind loop → a group, unrolled to its bound. Iteration k is `loop/body[k]`, judged by the gate `loop/until[k]`;
// the next one hangs on the case `again`, so it runs only when it is needed. `loop/pick[k]` chooses between iteration k
// and whatever comes after it; the loop's outputs are those of `loop/pick[0]`. No back-edges, and no engine that knows loops.
//
//   body[0] ─ until[0] ─again→ body[1] ─ until[1] ─again→ … until[last] ─exhausted→ best | last | stop | failure
//                 └─done─────────────────────└─done─────→ pick → outputs
//
// With a budget every judgement but the last has the case `spent`, which ends the loop as `exhausted` does: after the
// iterations that there are. It is decided on the recorded time of their jobs, so a run that finds them cached decides the same.
import { bestOfSets, loopLacks, loopOutputTwice } from '../diagnostics/catalogue/groups.ts';
import { locate, memberOf } from '../diagnostics/located-json.ts';
import type { Located, LocatedString, Member } from '../diagnostics/located-json.ts';
import type { Place } from '../diagnostics/source.ts';
import { substitute } from '../expression/substitution.ts';
import type { LoopSpec, StageSpec } from '../spec/workflow-spec.ts';
import type { Json } from '../support/json.ts';
import { instanceName } from './build-instance.ts';
import type { Expander } from './expander.ts';
import { insideOf, pathsOf, refuseFields } from './expand-template.ts';
import type { FanOut, Given, GivenBinding, Namespace, StageGroup } from './instance.ts';
import { budgetOf, exhaustedOf, iterationsOf, type Exhausted } from './loop-bounds.ts';
import type { Around, StageScope } from './stage-scope.ts';
import { reference, synthetic } from './synthetic-stage.ts';

export function expandLoop(expander: Expander, spec: StageSpec, own: StageScope): StageGroup | undefined {
  const { problems } = expander;
  const before = problems.length;
  refuseFields(expander, spec, ['with']);
  for (const field of ['body', 'until', 'maxIterations'] as const) {
    const written = field === 'body' ? (spec.loop?.body.size ?? 0) > 0 : spec.loop?.[field] !== undefined;
    if (!written) problems.push(loopLacks(spec.nameAt, spec.name, field));
  }
  for (const name of spec.loop?.outputs.values() ?? []) {
    if (spec.loop?.carry.has(name.port) === true) problems.push(loopOutputTwice(name.portAt, name.port));
  }
  if (spec.loop === undefined || problems.length > before) return undefined;
  const iterations = iterationsOf(expander, spec.loop, own);
  const budget = budgetOf(expander, spec.loop, own);
  const exhausted = exhaustedOf(expander, spec, spec.loop, own);
  if (iterations === undefined || budget === undefined || exhausted === undefined) return undefined;
  if (exhausted.action === 'best' && isCollection(spec.loop.until, 'metrics')) {
    problems.push(bestOfSets(exhausted.at, spec.name));
    return undefined;
  }
  return new Unrolling(expander, spec, spec.loop, own, { iterations, budget, exhausted }).group();
}

interface Bounds {
  readonly iterations: number;
  readonly budget: LocatedString | 'none';
  readonly exhausted: Exhausted;
}

class Unrolling {
  private readonly expander: Expander;
  private readonly spec: StageSpec;
  private readonly loop: LoopSpec;
  private readonly own: StageScope;
  private readonly iterations: number;
  private readonly budget: LocatedString | 'none';
  private readonly exhausted: Exhausted;
  private readonly around: Around;

  constructor(expander: Expander, spec: StageSpec, loop: LoopSpec, own: StageScope, bounds: Bounds) {
    this.expander = expander;
    this.spec = spec;
    this.loop = loop;
    this.own = own;
    this.iterations = bounds.iterations;
    this.budget = bounds.budget;
    this.exhausted = bounds.exhausted;
    const namespace: Namespace = { ...pathsOf(spec, own), fanOuts: new Map(), outer: undefined, given: undefined };
    this.around = insideOf(spec, own, namespace);
  }

  group(): StageGroup {
    const { spec, own, around } = this;
    const { fanOuts } = around.from.namespace;
    const bodies = new Map<string, StageGroup>();
    const body: FanOut = { spec, domain: 'list', instances: bodies, disabled: new Set() };
    fanOuts.set('body', body);
    for (let k = 0; k < this.iterations; k++) {
      bodies.set(String(k), this.iteration(k));
      const timed = this.budget === 'none' || this.isLast(k) ? [] : [...bodies.values()];
      this.add(this.gate(k), k, { ...around, timed: timed.map(({ inside }) => inside.namespace) });
    }
    for (let k = 0; k < this.iterations; k++) this.end(k);
    for (let k = this.iterations - 1; k >= 0; k--) this.add(this.pick(k), k);
    const outputs = new Map(
      [...this.outputNames(), ...this.verdictName()].map((name) => [name, reference(`pick[0].${name}`, spec.nameAt)]),
    );
    return { id: `${own.from.namespace.path}${instanceName(spec.name, own.key)}`, spec, inside: around.from, outputs };
  }

  private outputNames(): readonly string[] {
    return [...this.loop.carry.keys(), ...this.loop.outputs.keys()];
  }

  /** The loop gives its last judgement too, unless its author gives something else by that name. */
  private verdictName(): readonly string[] {
    return this.outputNames().includes('verdict') ? [] : ['verdict'];
  }

  private iteration(k: number): StageGroup {
    const { own, loop, around } = this;
    const { path, pathName } = around.from.namespace;
    const namespace: Namespace = {
      path: `${path}body[${k}]/`,
      pathName: `${pathName}body/`,
      fanOuts: new Map(),
      outer: own.from.namespace,
      given: this.carried(k),
    };
    const inside: Around = {
      ...around,
      from: { namespace, keys: own.from.keys },
      scope: { ...own.scope, iteration: k },
      required:
        k === 0
          ? around.required
          : [...around.required, { node: reference(`until[${k - 1}]:again`, loop.field.at), from: around.from }],
    };
    this.expander.expand(loop.body.values(), inside);
    const outputs = new Map<string, Located>();
    for (const { name, next } of loop.carry.values()) outputs.set(name, next);
    for (const { port, node } of loop.outputs.values()) outputs.set(port, node);
    for (const name of ['metrics', 'reference']) {
      const judged = memberOf(loop.until, name);
      if (judged !== undefined)
        outputs.set(`until-${name}`, substitute(judged, inside.scope, this.expander.problems) ?? judged);
    }
    return { id: `${path}body[${k}]`, spec: this.spec, inside: inside.from, outputs };
  }

  /** What goes round: from outside at first, then from the iteration before. */
  private carried(k: number): Given {
    const { loop, own, around, expander } = this;
    const bindings = new Map<string, GivenBinding>();
    for (const { name, first, next } of loop.carry.values()) {
      const node =
        k === 0 ? substitute(first, own.scope, expander.problems) : reference(`body[${k - 1}].${name}`, next.at);
      if (node !== undefined) bindings.set(name, { node, from: k === 0 ? own.from : around.from });
    }
    return { word: 'carry', bindings };
  }

  private gate(k: number): StageSpec {
    const scope = { ...this.own.scope, iteration: k };
    const until = this.loop.until && substitute(this.loop.until, scope, this.expander.problems);
    const at = this.loop.until?.at ?? this.spec.nameAt;
    const done: Member[] = [...(until?.type === 'object' ? until.members.values() : [])].filter(({ key }) =>
      ['criteria', 'expression'].includes(key),
    );
    const judged = (name: string, iteration: number): Json =>
      isCollection(until, name) ? { collect: `body[${iteration}].until-${name}` } : `body[${iteration}].until-${name}`;
    const cases: Located = {
      type: 'array',
      at,
      items: [
        object(at, [member('name', at, 'done'), ...done]),
        ...(this.budget === 'none' || this.isLast(k)
          ? []
          : [object(at, [member('name', at, 'spent'), member('longerThan', this.budget.at, this.budget.value)])]),
        object(at, [member('name', at, this.isLast(k) ? 'exhausted' : 'again'), member('else', at, true)]),
      ],
    };
    const inputs: { readonly [port: string]: Json } = {
      metrics: judged('metrics', k),
      ...(memberOf(until, 'reference') === undefined ? {} : { reference: judged('reference', k) }),
      ...(usesHistory(until)
        ? { history: { collect: perIteration(k, (iteration) => judged('metrics', iteration)) } }
        : {}),
    };
    const end = this.endOf(k);
    const fails = end !== undefined && this.exhausted.action === 'fail';
    return {
      ...synthetic('gate', 'until', inputs, at),
      cases,
      casesAt: at,
      with: locate(fails ? { failOn: [end] } : {}, at),
    };
  }

  private isLast(k: number): boolean {
    return k === this.iterations - 1;
  }

  /** The case at which the loop ends although iteration k was not good enough. */
  private endOf(k: number): 'exhausted' | 'spent' | undefined {
    return this.isLast(k) ? 'exhausted' : this.budget === 'none' ? undefined : 'spent';
  }

  private pick(k: number): StageSpec {
    const { action } = this.exhausted;
    const [done, end] = [`until[${k}]:done`, this.endOf(k)];
    const ended = end === undefined ? [] : [`until[${k}]:${end}`];
    const later = (name: string): readonly Json[] =>
      this.isLast(k) ? [] : [{ when: `until[${k}]:again`, from: `pick[${k + 1}].${name}` }];
    const inputs: { [port: string]: Json } = {};
    for (const name of this.outputNames()) {
      const own = { when: action === 'last' ? [done, ...ended] : done, from: `body[${k}].${name}` };
      const best = action === 'best' ? ended.map((when) => ({ when, from: `${this.bestName(k)}.${name}` })) : [];
      inputs[name] = { oneOf: [own, ...best, ...later(name)] };
    }
    for (const name of this.verdictName()) {
      const own = { when: this.goesOn() ? [done, ...ended] : done, from: `until[${k}].verdict` };
      inputs[name] = { oneOf: [own, ...later(name)] };
    }
    return synthetic('select', 'pick', inputs, this.spec.nameAt);
  }

  private goesOn(): boolean {
    return this.exhausted.action === 'best' || this.exhausted.action === 'last';
  }

  /** What happens after iteration k when it was not good enough and there is no other. */
  private end(k: number): void {
    const { action, at, reason } = this.exhausted;
    const end = this.endOf(k);
    if (end === undefined || (action !== 'best' && action !== 'stop')) return;
    const after = reference(`until[${k}]:${end}`, at);
    const spec =
      action === 'best'
        ? synthetic('best', this.isLast(k) ? 'best' : 'best-so-far', this.candidates(k + 1), at)
        : { ...synthetic('stop', this.isLast(k) ? 'stop' : 'over-budget', {}, at), with: locate({ reason }, at) };
    if (this.isLast(k)) this.expander.expand([{ ...spec, after }], this.around);
    else this.add({ ...spec, after }, k);
  }

  private bestName(k: number): string {
    return this.isLast(k) ? 'best' : `best-so-far[${k}]`;
  }

  private candidates(count: number): { readonly [port: string]: Json } {
    return Object.fromEntries(
      ['metrics', ...this.outputNames()].map((name): [string, Json] => [
        name,
        { collect: perIteration(count, (k) => `body[${k}].${name === 'metrics' ? 'until-metrics' : name}`) },
      ]),
    );
  }

  /** Adds one instance, under its number, to a fan-out of the loop's own. */
  private add(spec: StageSpec, k: number, around = this.around): void {
    const { fanOuts } = this.around.from.namespace;
    const others = fanOuts.get(spec.name)?.instances ?? new Map<string, never>();
    this.expander.expand([{ ...spec, forEach: locate([String(k)], spec.nameAt) }], around);
    const added = fanOuts.get(spec.name);
    if (added === undefined) return;
    fanOuts.set(spec.name, { ...added, instances: new Map([...others, ...added.instances]) });
  }
}

/** Earlier iterations enter a judgement's key only where it looks at them. */
function usesHistory(until: Located | undefined): boolean {
  const [criteria, expression] = [memberOf(until, 'criteria'), memberOf(until, 'expression')];
  const lookBack =
    criteria?.type === 'array' && criteria.items.some((item) => memberOf(item, 'hysteresis') !== undefined);
  return lookBack || (expression?.type === 'string' && /\biteration\b/.test(expression.value));
}

/** Several evaluation sets under their names, not one without. */
function isCollection(until: Located | undefined, name: string): boolean {
  return memberOf(memberOf(until, name), 'collect') !== undefined;
}

function perIteration(count: number, of: (k: number) => Json): Json {
  return Object.fromEntries(Array.from({ length: count }, (_, k) => [String(k), of(k)]));
}

function object(at: Place, members: readonly Member[]): Located {
  return { type: 'object', at, members: new Map(members.map((item) => [item.key, item])) };
}

function member(key: string, at: Place, value: Json): Member {
  return { key, keyAt: at, value: locate(value, at) };
}
