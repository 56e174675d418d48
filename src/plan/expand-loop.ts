// A stage of kind loop → a group, unrolled to its bound. Iteration k is `loop/body[k]`, judged by the gate `loop/until[k]`;
// the next one hangs on the case `again`, so it runs only when it is needed. `loop/pick[k]` chooses between iteration k
// and whatever comes after it; the loop's outputs are those of `loop/pick[0]`. No back-edges, and no engine that knows loops.
//
//   body[0] ─ until[0] ─again→ body[1] ─ until[1] ─again→ … until[last] ─exhausted→ best | last | stop | failure
//                 └─done─────────────────────└─done─────→ pick → outputs
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
import { exhaustedOf, iterationsOf, type Exhausted } from './loop-bounds.ts';
import type { Around, StageScope } from './stage-scope.ts';

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
  const exhausted = exhaustedOf(expander, spec, spec.loop, own);
  if (iterations === undefined || exhausted === undefined) return undefined;
  if (exhausted.action === 'best' && isCollection(spec.loop.until, 'metrics')) {
    problems.push(bestOfSets(exhausted.at, spec.name));
    return undefined;
  }
  return new Unrolling(expander, spec, spec.loop, own, iterations, exhausted).group();
}

class Unrolling {
  private readonly expander: Expander;
  private readonly spec: StageSpec;
  private readonly loop: LoopSpec;
  private readonly own: StageScope;
  private readonly iterations: number;
  private readonly exhausted: Exhausted;
  private readonly around: Around;

  constructor(
    expander: Expander,
    spec: StageSpec,
    loop: LoopSpec,
    own: StageScope,
    iterations: number,
    exhausted: Exhausted,
  ) {
    this.expander = expander;
    this.spec = spec;
    this.loop = loop;
    this.own = own;
    this.iterations = iterations;
    this.exhausted = exhausted;
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
      this.add(this.gate(k), k);
    }
    const { action } = this.exhausted;
    if (action === 'best') this.expander.expand([this.best()], around);
    if (action === 'stop') this.expander.expand([this.stop()], around);
    for (let k = this.iterations - 1; k >= 0; k--) this.add(this.pick(k), k);
    const outputs = new Map(
      [...this.outputNames(), ...this.verdictName()].map((name) => [
        name,
        this.reference(`pick[0].${name}`, spec.nameAt),
      ]),
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
          : [...around.required, { node: this.reference(`until[${k - 1}]:again`, loop.field.at), from: around.from }],
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
        k === 0 ? substitute(first, own.scope, expander.problems) : this.reference(`body[${k - 1}].${name}`, next.at);
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
    const last = k === this.iterations - 1;
    const judged = (name: string, iteration: number): Json =>
      isCollection(until, name) ? { collect: `body[${iteration}].until-${name}` } : `body[${iteration}].until-${name}`;
    const cases: Located = {
      type: 'array',
      at,
      items: [
        object(at, [member('name', at, 'done'), ...done]),
        object(at, [member('name', at, last ? 'exhausted' : 'again'), member('else', at, true)]),
      ],
    };
    const inputs: { readonly [port: string]: Json } = {
      metrics: judged('metrics', k),
      ...(memberOf(until, 'reference') === undefined ? {} : { reference: judged('reference', k) }),
      ...(usesHistory(until)
        ? { history: { collect: perIteration(k, (iteration) => judged('metrics', iteration)) } }
        : {}),
    };
    const fails = last && this.exhausted.action === 'fail';
    return {
      ...this.synthetic('gate', 'until', inputs, at),
      cases,
      casesAt: at,
      with: locate(fails ? { failOn: ['exhausted'] } : {}, at),
    };
  }

  private pick(k: number): StageSpec {
    const { action } = this.exhausted;
    const last = k === this.iterations - 1;
    const inputs: { [port: string]: Json } = Object.fromEntries(
      this.outputNames().map((name): [string, Json] => {
        const own = { when: `until[${k}]:done`, from: `body[${k}].${name}` };
        if (!last) return [name, { oneOf: [own, { when: `until[${k}]:again`, from: `pick[${k + 1}].${name}` }] }];
        const exhausted = `until[${k}]:exhausted`;
        if (action === 'last') return [name, { oneOf: [{ ...own, when: [own.when, exhausted] }] }];
        const best = action === 'best' ? [{ when: exhausted, from: `best.${name}` }] : [];
        return [name, { oneOf: [own, ...best] }];
      }),
    );
    const when = [`until[${k}]:done`, ...(last ? [`until[${k}]:exhausted`] : [])];
    for (const name of this.verdictName()) {
      const own = { when: last && !this.goesOn() ? `until[${k}]:done` : when, from: `until[${k}].verdict` };
      const later = { when: `until[${k}]:again`, from: `pick[${k + 1}].verdict` };
      inputs[name] = { oneOf: last ? [own] : [own, later] };
    }
    return this.synthetic('select', 'pick', inputs, this.spec.nameAt);
  }

  private goesOn(): boolean {
    return this.exhausted.action === 'best' || this.exhausted.action === 'last';
  }

  private best(): StageSpec {
    const count = this.iterations;
    const inputs = Object.fromEntries(
      ['metrics', ...this.outputNames()].map((name): [string, Json] => [
        name,
        { collect: perIteration(count, (k) => `body[${k}].${name === 'metrics' ? 'until-metrics' : name}`) },
      ]),
    );
    const { at } = this.exhausted;
    const after = this.reference(`until[${count - 1}]:exhausted`, at);
    return { ...this.synthetic('best', 'best', inputs, at), after };
  }

  private stop(): StageSpec {
    const { at, reason } = this.exhausted;
    const after = this.reference(`until[${this.iterations - 1}]:exhausted`, at);
    return { ...this.synthetic('stop', 'stop', {}, at), after, with: locate({ reason }, at) };
  }

  /** Adds one instance, under its number, to a fan-out of the loop's own. */
  private add(spec: StageSpec, k: number): void {
    const { fanOuts } = this.around.from.namespace;
    const others = fanOuts.get(spec.name)?.instances ?? new Map<string, never>();
    this.expander.expand([{ ...spec, forEach: locate([String(k)], spec.nameAt) }], this.around);
    const added = fanOuts.get(spec.name);
    if (added === undefined) return;
    fanOuts.set(spec.name, { ...added, instances: new Map([...others, ...added.instances]) });
  }

  private synthetic(kind: string, name: string, inputs: { readonly [port: string]: Json }, at: Place): StageSpec {
    return {
      name,
      nameAt: at,
      kind: this.reference(kind, at),
      inputs: new Map(
        Object.entries(inputs).map(([port, node]) => [port, { port, portAt: at, node: locate(node, at) }]),
      ),
      role: undefined,
      task: undefined,
      forEach: undefined,
      enabled: undefined,
      after: undefined,
      with: undefined,
      cases: undefined,
      casesAt: undefined,
      threads: undefined,
      seed: undefined,
      resources: undefined,
      retry: undefined,
      timeout: undefined,
      profile: undefined,
      template: undefined,
      loop: undefined,
    };
  }

  private reference(text: string, at: Place): LocatedString {
    return { type: 'string', at, value: text };
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
