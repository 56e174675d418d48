// One stage of the file for one key → StageInstance: what the substitutions may see, then every field in turn.
import { conditionNotBoolean, unknownProfile, unknownTask, wrongShape } from '../diagnostics/catalogue/parameters.ts';
import { settingRefused } from '../diagnostics/catalogue/schema.ts';
import { innerPlace, memberOf, nodeAt, toJson } from '../diagnostics/located-json.ts';
import type { Located } from '../diagnostics/located-json.ts';
import { stageId } from '../events/ids.ts';
import { substitute } from '../expression/substitution.ts';
import type { Scope } from '../expression/substitution.ts';
import { checkSchema } from '../spec/schema-check.ts';
import type { StageSpec } from '../spec/workflow-spec.ts';
import type { StageContext, StageKind } from '../stages/stage-kind.ts';
import { parseDuration } from '../support/duration.ts';
import { isJsonObject, jsonText } from '../support/json.ts';
import type { JsonObject } from '../support/json.ts';
import type { Declarations } from './declarations.ts';
import { resolveCases } from './gate-cases.ts';
import { retriesOf } from './retry-rules.ts';
import type { FanOut, InstanceInput, PlannedTask, Problems, ResolvedProfile, StageInstance } from './instance.ts';

export class InstanceBuilder {
  private readonly declarations: Declarations;
  private readonly spec: StageSpec;
  private readonly kind: StageKind;
  private readonly domain: FanOut['domain'];
  private readonly key: string | undefined;
  private readonly problems: Problems;
  private scope: Scope;

  constructor(
    declarations: Declarations,
    spec: StageSpec,
    kind: StageKind,
    domain: FanOut['domain'],
    key: string,
    problems: Problems,
  ) {
    this.declarations = declarations;
    this.spec = spec;
    this.kind = kind;
    this.domain = domain;
    this.key = domain === 'none' ? undefined : key;
    this.problems = problems;
    this.scope = {
      params: declarations.params.values,
      ...(this.key === undefined ? {} : { item: { key: this.key, fields: undefined } }),
    };
  }

  /** Undefined when something is wrong, which `problems` then says. */
  build(index: number): StageInstance | 'disabled' | undefined {
    const { spec, kind } = this;
    const before = this.problems.length;
    const task = this.findTask();
    if (task === undefined && this.spec.task !== undefined) return undefined;
    const item = this.key ?? task?.name;
    if (item !== undefined) this.scope = { ...this.scope, item: { key: item, fields: task?.settings } };
    const profile = this.findProfile();
    if (profile !== undefined) this.scope = { ...this.scope, profile };
    if (!this.enabled()) return this.problems.length > before ? undefined : 'disabled';

    const withNode = this.withNode();
    const settings = withNode === undefined ? undefined : this.settings(withNode);
    const inputs = this.inputs();
    const cases = resolveCases(spec, kind, this.scope, this.problems);
    const threads = this.count(spec.threads, 'threads', 1) ?? this.defaultCount('threads', 1);
    const scalars = {
      seed:
        kind.seeded === true
          ? (this.count(spec.seed, 'seed', Number.MIN_SAFE_INTEGER) ?? this.defaultCount('seed', 0))
          : 0,
      threads,
      ...retriesOf(spec.retry === undefined ? undefined : this.resolve(spec.retry), this.problems),
      timeoutMs: this.timeout(),
      resources: this.resources(threads),
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
    return {
      id: stageId(this.name()),
      index,
      spec,
      key: this.key,
      zipKey: item,
      task: task?.name,
      kind,
      context,
      ports: kind.ports(context),
      withNode,
      inputs,
      cases,
      ...scalars,
    };
  }

  private name(): string {
    return this.key === undefined ? this.spec.name : `${this.spec.name}[${this.key}]`;
  }

  private findTask(): PlannedTask | undefined {
    const { tasks } = this.declarations;
    if (this.domain === 'tasks') return tasks.get(this.key ?? '');
    if (this.spec.task === undefined) return undefined;
    const node = this.resolve(this.spec.task);
    if (node === undefined) return undefined;
    if (node.type !== 'string') return void this.problems.push(wrongShape(node.at, 'task', 'the name of a task'));
    // A declared task that is malformed has been reported where it stands.
    const declared = [...this.declarations.spec.tasks.keys()];
    if (!declared.includes(node.value)) this.problems.push(unknownTask(innerPlace(node), node.value, declared));
    return tasks.get(node.value);
  }

  private findProfile(): ResolvedProfile | undefined {
    const { profiles, activeProfile, spec } = this.declarations;
    const written = memberOf(this.spec.with, 'profile');
    const node = written === undefined ? undefined : this.resolve(written);
    if (node?.type !== 'string') return activeProfile;
    if (!spec.profiles.has(node.value))
      this.problems.push(unknownProfile(innerPlace(node), node.value, [...spec.profiles.keys()]));
    return profiles.get(node.value);
  }

  private enabled(): boolean {
    if (this.spec.enabled === undefined) return true;
    const node = this.resolve(this.spec.enabled);
    if (node === undefined) return false;
    if (node.type === 'boolean') return node.value;
    this.problems.push(conditionNotBoolean(this.spec.enabled.at, JSON.stringify(toJson(node))));
    return false;
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
      return resolved === undefined ? [] : [{ port, portAt, node: resolved }];
    });
  }

  private checkKind(context: StageContext, withNode: Located): void {
    for (const { path, message, help } of this.kind.check?.(context) ?? []) {
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
    return substitute(node, this.scope, this.problems);
  }
}
