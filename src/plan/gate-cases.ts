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
  strictWithoutPercent,
} from '../diagnostics/catalogue/gates.ts';
import { innerPlace, memberOf, toJson } from '../diagnostics/located-json.ts';
import type { Located } from '../diagnostics/located-json.ts';
import type { Place } from '../diagnostics/source.ts';
import { substitute } from '../expression/substitution.ts';
import type { Scope } from '../expression/substitution.ts';
import { checkSchema } from '../spec/schema-check.ts';
import type { StageSpec } from '../spec/workflow-spec.ts';
import type { StageKind } from '../stages/stage-kind.ts';
import { isJsonObject } from '../support/json.ts';
import { jsonModule } from '../support/json-module.ts';
import type { Problems, ResolvedCase } from './instance.ts';
import type { Criterion } from './plan.ts';

const schema = jsonModule(casesSchema);
const comparisons = ['percentOfReference', 'atLeast', 'atMost', 'maxDegradation'] as const;

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
  const [condition, otherwise, criteria] = ['if', 'else', 'criteria'].map((key) => memberOf(node, key));
  if (otherwise !== undefined && (condition ?? criteria) !== undefined) problems.push(elseWithCriteria(nameAt, name));
  if (otherwise === undefined && condition === undefined && criteria === undefined)
    problems.push(caseWithoutCriteria(nameAt, name));
  const items = criteria?.type === 'array' ? criteria.items : [];
  const included = condition?.type !== 'boolean' || condition.value;
  const literal = memberOf(written, 'if');
  return {
    name,
    nameAt,
    criteria: items.flatMap((item) => resolveCriterion(item, problems)),
    criteriaAt: items.map((item) => item.at),
    included,
    neverAt: literal?.type === 'boolean' && !literal.value ? literal.at : undefined,
    unconditional: included && items.length === 0,
  };
}

function resolveCriterion(node: Located, problems: Problems): readonly Criterion[] {
  const value = toJson(node);
  if (!isJsonObject(value) || typeof value['metric'] !== 'string') return [];
  const found = comparisons.filter((comparison) => value[comparison] !== undefined);
  const [comparison] = found;
  if (comparison === undefined || found.length > 1) {
    problems.push(criterionForm(opening(node), found, comparisons));
    return [];
  }
  const strict = value['strict'] === true;
  if (strict && comparison !== 'percentOfReference') problems.push(strictWithoutPercent(opening(node)));
  const metric = value['metric'];
  const bound = Number(value[comparison]);
  switch (comparison) {
    case 'percentOfReference':
      return [{ metric, percentOfReference: bound, ...(strict ? { strict } : {}) }];
    case 'atLeast':
      return [{ metric, atLeast: bound }];
    case 'atMost':
      return [{ metric, atMost: bound }];
    case 'maxDegradation':
      return [{ metric, maxDegradation: bound }];
  }
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
  return last === -1 ? included : included.slice(0, last + 1);
}

function opening(node: Located): Place {
  return node.type === 'object' ? { ...node.at, length: 1 } : node.at;
}
