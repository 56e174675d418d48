// One stage of the file for one key → StageInstance: every field in turn, with what the substitutions may see filled in.
import { wrongShape } from '../diagnostics/catalogue/parameters.ts';
import { settingRefused } from '../diagnostics/catalogue/schema.ts';
import { ENOUGH_PROBLEMS } from '../diagnostics/diagnostic.ts';
import { innerPlace, nodeAt, toJson } from '../diagnostics/located-json.ts';
import type { Located } from '../diagnostics/located-json.ts';
import { stageId } from '../events/ids.ts';
import { substitute } from '../expression/substitution.ts';
import { checkSchema } from '../spec/schema-check.ts';
import type { StageSpec } from '../spec/workflow-spec.ts';
import type { StageContext, StageKind } from '../stages/stage-kind.ts';
import { parseDuration } from '../support/duration.ts';
import { isJsonObject, jsonText } from '../support/json.ts';
import type { JsonObject } from '../support/json.ts';
import type { Declarations } from './declarations.ts';
import { resolveCases } from './gate-cases.ts';
import type { InstanceInput, Problems, StageInstance } from './instance.ts';
import type { Withheld } from './plan.ts';
import { retriesOf } from './retry-rules.ts';
import type { StageScope } from './stage-scope.ts';

export class InstanceBuilder {
  private readonly declarations: Declarations;
  private readonly spec: StageSpec;
  private readonly kind: StageKind;
  private readonly own: StageScope;
  private readonly problems: Problems;

  constructor(declarations: Declarations, spec: StageSpec, kind: StageKind, own: StageScope, problems: Problems) {
    this.declarations = declarations;
    this.spec = spec;
    this.kind = kind;
    this.own = own;
    this.problems = problems;
  }

  /** Undefined when something is wrong, which `problems` then says. */
  build(index: number): StageInstance | undefined {
    const { spec, kind, own } = this;
    const { task, profile } = own;
    const before = this.problems.length;
    const withNode = this.withNode();
    const settings = withNode === undefined ? undefined : this.settings(withNode);
    const inputs = this.inputs();
    const cases = resolveCases(spec, kind, own.scope, this.problems);
    const threads = this.count(spec.threads, 'threads', 1) ?? this.defaultCount('threads', 1);
    const scalars = {
      seed:
        kind.seeded === true
          ? (this.count(spec.seed, 'seed', Number.MIN_SAFE_INTEGER) ?? this.defaultCount('seed', 0))
          : 0,
      threads,
      withheld: this.withheld(),
      ...retriesOf(
        spec.retry === undefined ? undefined : this.resolve(spec.retry),
        Object.keys(kind.reasons ?? {}),
        this.problems,
      ),
      timeoutMs: this.timeout(),
      resources: this.resources(threads),
      role: this.role(),
    };
    if (settings === undefined || withNode === undefined || this.problems.length > before) return undefined;
    const context: StageContext = {
      settings,
      ...(task === undefined ? {} : { task }),
      tasks: [...this.declarations.tasks.values()],
      ...(profile === undefined ? {} : { profile: profile.fields }),
      given: inputs.map((input) => input.port),
    };
    this.checkKind(context, withNode);
    if (this.problems.length > before) return undefined;
    const { namespace } = own.from;
    return {
      id: stageId(`${namespace.path}${instanceName(spec.name, own.key)}`),
      index,
      spec,
      key: own.key,
      from: own.from,
      pathName: `${namespace.pathName}${spec.name}`,
      required: own.around.required,
      timed: own.around.timed ?? [],
      task: task?.name,
      profile: profile?.name,
      kind,
      context,
      ports: kind.ports(context),
      withNode,
      inputs,
      cases,
      ...scalars,
    };
  }

  private role(): string {
    const node = this.spec.role === undefined ? undefined : this.resolve(this.spec.role);
    if (node === undefined || node.type === 'null') return '';
    if (node.type !== 'string') this.problems.push(wrongShape(node.at, 'role', 'a word'));
    return node.type === 'string' ? node.value : '';
  }

  private withNode(): Located | undefined {
    return this.resolve(this.spec.with ?? { type: 'object', at: this.spec.nameAt, members: new Map() });
  }

  private settings(node: Located): JsonObject | undefined {
    const checked = checkSchema(
      this.kind.settingsSchema,
      node,
      `"with" of ${this.kind.kind} stage "${this.spec.name}"`,
    );
    if (!checked.ok) this.problems.push(...checked.error);
    return checked.ok && isJsonObject(checked.value) ? checked.value : undefined;
  }

  private inputs(): readonly InstanceInput[] {
    return [...this.spec.inputs.values()].flatMap(({ port, portAt, node }) => {
      const resolved = this.resolve(node);
      // A choice of null leaves the port without an input, as it leaves a setting out.
      return resolved === undefined || resolved.type === 'null' ? [] : [{ port, portAt, node: resolved }];
    });
  }

  private checkKind(context: StageContext, withNode: Located): void {
    for (const { path, message, help } of (this.kind.check?.(context) ?? []).slice(0, ENOUGH_PROBLEMS)) {
      const at = path.length === 0 ? this.spec.nameAt : innerPlace(nodeAt(withNode, path));
      this.problems.push(settingRefused(at, message, help));
    }
  }

  private count(node: Located | undefined, field: string, least: number): number | undefined {
    const value = node === undefined ? undefined : this.resolve(node);
    if (value === undefined) return undefined;
    if (value.type === 'number' && Number.isSafeInteger(value.value) && value.value >= least) return value.value;
    const range = least === 0 || least === 1 ? `a whole number from ${least} on` : 'a whole number';
    return void this.problems.push(wrongShape(value.at, field, range));
  }

  /** A parameter of the same name is the default of all stages. */
  private defaultCount(param: string, otherwise: number): number {
    const value = this.declarations.params.values[param];
    return typeof value === 'number' && Number.isSafeInteger(value) ? value : otherwise;
  }

  /** A command is given what its own stage says, and no default: a change of that would only run it again in vain. */
  private withheld(): readonly Withheld[] {
    if (this.kind.runsOn !== 'command') return [];
    return (['seed', 'threads'] as const).filter((field) => this.spec[field] === undefined);
  }

  private timeout(): number | undefined {
    const value = this.spec.timeout === undefined ? undefined : this.resolve(this.spec.timeout);
    if (value === undefined) return undefined;
    const milliseconds = parseDuration(jsonText(toJson(value)));
    if (milliseconds !== undefined) return milliseconds;
    return void this.problems.push(wrongShape(value.at, 'timeout', 'a time from "1ms" to "500h"'));
  }

  private resources(threads: number): { readonly [token: string]: number } {
    const tokens: { [token: string]: number } =
      this.kind.runsOn === 'engine' ? {} : { cpu: threads, ...this.kind.resources };
    const written = this.spec.resources === undefined ? undefined : this.resolve(this.spec.resources);
    for (const { key, value } of written?.type === 'object' ? written.members.values() : []) {
      if (value.type === 'number') tokens[key] = value.value;
    }
    return tokens;
  }

  private resolve(node: Located): Located | undefined {
    return substitute(node, this.own.scope, this.problems);
  }
}

/** `qat`, or `qat[detection]`. */
export function instanceName(name: string, key: string | undefined): string {
  return key === undefined ? name : `${name}[${key}]`;
}
