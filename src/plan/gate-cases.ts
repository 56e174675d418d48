// The cases of a gate with parameters filled in: names unique, the last one else, each criterion comparing with one thing.
import casesSchema from '../../schemas/gate-cases.schema.json' with { type: 'json' };
import {
  caseAfterElse,
  caseWithoutCriteria,
  casesMissing,
  casesNotAllowed,
  criterionForm,
  duplicateCase,
  elseMissing,
  elseWithCriteria,
} from '../diagnostics/catalogue/gate-cases.ts';
import { implausibleWithCriteria, percentRefused } from '../diagnostics/catalogue/criteria.ts';
import { wrongShape } from '../diagnostics/catalogue/parameters.ts';
import { innerPlace, memberOf, toJson } from '../diagnostics/located-json.ts';
import type { Located } from '../diagnostics/located-json.ts';
import type { Place } from '../diagnostics/source.ts';
import { substitute } from '../expression/substitution.ts';
import type { Scope } from '../expression/substitution.ts';
import { checkSchema } from '../spec/schema-check.ts';
import type { StageSpec } from '../spec/workflow-spec.ts';
import type { StageKind } from '../stages/stage-kind.ts';
import { parseDuration } from '../support/duration.ts';
import { isJsonObject, jsonText } from '../support/json.ts';
import type { JsonObject } from '../support/json.ts';
import { jsonModule } from '../support/json-module.ts';
import type { Problems, ResolvedCase, ResolvedVerdicts } from './instance.ts';
import { boundOf, rules } from './criteria.ts';
import { doubtAbout } from './percent-bounds.ts';
import type { Criterion } from './plan.ts';

const schema = jsonModule(casesSchema);

export function resolveCases(
  spec: StageSpec,
  kind: StageKind,
  scope: Scope,
  problems: Problems,
): readonly ResolvedCase[] {
  if (kind.role !== 'gate') {
    if (spec.casesAt !== undefined) problems.push(casesNotAllowed(spec.casesAt, kind.kind));
    return [];
  }
  if (spec.cases === undefined) {
    problems.push(casesMissing(spec.nameAt, spec.name));
    return [];
  }
  const node = substitute(spec.cases, scope, problems);
  if (node === undefined) return [];
  const checked = checkSchema(schema, node, '"cases"');
  if (!checked.ok) {
    problems.push(...checked.error);
    return [];
  }
  const written = spec.cases.type === 'array' ? spec.cases.items : [];
  const cases =
    node.type === 'array' ? node.items.map((item, index) => resolveCase(item, written[index], problems)) : [];
  checkOrder(spec, node, cases, problems);
  return cases;
}

function resolveCase(node: Located, written: Located | undefined, problems: Problems): ResolvedCase {
  const nameNode = memberOf(node, 'name');
  const name = nameNode?.type === 'string' ? nameNode.value : '';
  const nameAt = nameNode === undefined ? node.at : innerPlace(nameNode);
  const [condition, otherwise, criteria, text, decided, time, short, doubted] = [
    'if',
    'else',
    'criteria',
    'expression',
    'verdicts',
    'longerThan',
    'short',
    'implausible',
  ].map((key) => memberOf(node, key));
  const expression = text?.type === 'string' ? text : undefined;
  const verdicts = decided === undefined ? undefined : resolveVerdicts(decided);
  const longerThan = time === undefined ? undefined : resolveTime(time, problems);
  const asks = condition ?? criteria ?? expression ?? verdicts ?? time;
  if (doubted !== undefined && (otherwise ?? asks) !== undefined) problems.push(implausibleWithCriteria(nameAt, name));
  if (otherwise !== undefined && asks !== undefined) problems.push(elseWithCriteria(nameAt, name));
  if ((otherwise ?? asks ?? doubted) === undefined) problems.push(caseWithoutCriteria(nameAt, name));
  const items = criteria?.type === 'array' ? criteria.items : [];
  const included = condition?.type !== 'boolean' || condition.value;
  const literal = memberOf(written, 'if');
  return {
    name,
    nameAt,
    criteria: items.flatMap((item) => resolveCriterion(item, problems)),
    criterionNodes: items,
    expression,
    verdicts,
    longerThan,
    implausible: doubted !== undefined,
    short: short?.type === 'boolean' && short.value,
    included,
    neverAt: literal?.type === 'boolean' && !literal.value ? literal.at : undefined,
    unconditional:
      included &&
      doubted === undefined &&
      items.length === 0 &&
      [expression, verdicts, time].every((asked) => asked === undefined),
  };
}

/** The schema has checked that it is one of the two, with names of cases. */
function resolveVerdicts(node: Located): ResolvedVerdicts {
  const every = memberOf(node, 'every');
  const list = every ?? memberOf(node, 'some');
  const cases = (list?.type === 'array' ? list.items : []).filter((item) => item.type === 'string');
  const names = cases.map(({ value }) => value);
  return { condition: every === undefined ? { some: names } : { every: names }, cases, at: opening(node) };
}

function resolveTime(node: Located, problems: Problems): ResolvedCase['longerThan'] {
  const milliseconds = parseDuration(jsonText(toJson(node)));
  if (milliseconds !== undefined) return { milliseconds, at: innerPlace(node) };
  return void problems.push(wrongShape(node.at, 'longerThan', 'a time from "1ms" to "500h"'));
}

function resolveCriterion(node: Located, problems: Problems): readonly Criterion[] {
  const value = toJson(node);
  if (!isJsonObject(value) || typeof value['metric'] !== 'string') return [];
  const found = rules.filter((rule) => value[rule] !== undefined);
  const [rule] = found;
  if (rule === undefined || found.length > 1) {
    problems.push(criterionForm(opening(node), found, rules));
    return [];
  }
  const doubt = doubtAbout(boundOf(value as Criterion & JsonObject));
  if (doubt?.weight === 'refused')
    problems.push(percentRefused(innerPlace(memberOf(node, rule) ?? node), rule, doubt.why, doubt.help));
  // What says nothing must not enter the key.
  const { strict, worstClass, ...others } = value;
  const said = { ...(strict === true ? { strict } : {}), ...(worstClass === true ? { worstClass } : {}) };
  // The schema has checked the members, and the line above that one of them is the bound.
  return [{ ...others, ...said } as Criterion & JsonObject];
}

function checkOrder(spec: StageSpec, node: Located, cases: readonly ResolvedCase[], problems: Problems): void {
  const first = new Map<string, Place>();
  let otherwise: string | undefined;
  const items = node.type === 'array' ? node.items : [];
  for (const [index, { name, nameAt }] of cases.entries()) {
    const before = first.get(name);
    if (before !== undefined) problems.push(duplicateCase(nameAt, name, before));
    else first.set(name, nameAt);
    if (otherwise !== undefined) problems.push(caseAfterElse(nameAt, name, otherwise));
    if (memberOf(items[index], 'else') !== undefined) otherwise ??= name;
  }
  const last = cases.at(-1);
  if (otherwise === undefined && last !== undefined)
    problems.push(elseMissing(spec.casesAt ?? spec.nameAt, spec.name, last.name));
}

/** The cases that can still be chosen: none that a parameter leaves out, and none behind an unconditional one. */
export function remainingCases(cases: readonly ResolvedCase[]): readonly ResolvedCase[] {
  const included = cases.filter((item) => item.included);
  const last = included.findIndex((item) => item.unconditional);
  return last === -1 ? included : included.filter(({ implausible }, index) => implausible || index <= last);
}

/** What the gate itself needs of a case to decide. */
export function caseSettings({
  name,
  criteria,
  expression,
  verdicts,
  longerThan,
  short,
  implausible,
}: ResolvedCase): JsonObject {
  return {
    name,
    criteria,
    ...(expression === undefined ? {} : { expression: expression.value }),
    ...(verdicts === undefined ? {} : { verdicts: verdicts.condition }),
    ...(longerThan === undefined ? {} : { longerThanMs: longerThan.milliseconds }),
    ...(short ? { short } : {}),
    ...(implausible ? { implausible } : {}),
  };
}

/** Where an object begins, for problems with the whole of it. */
export function opening(node: Located): Place {
  return node.type === 'object' ? { ...node.at, length: 1 } : node.at;
}
