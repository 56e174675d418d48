// What the cases of a gate ask for against what the gate is given: a reference, evaluation sets, earlier iterations; and
// conditions in CEL, whose variables are known here.
import {
  conditionInvalid,
  historyNeeded,
  historyOfOneSet,
  metricsNeeded,
  referenceLacksSet,
  referenceNeeded,
  setUnknown,
  setsOfPeers,
} from '../diagnostics/catalogue/gate-cases.ts';
import { innerPlace, memberOf, within } from '../diagnostics/located-json.ts';
import type { Located, LocatedString } from '../diagnostics/located-json.ts';
import type { Place } from '../diagnostics/source.ts';
import { checkCondition } from '../expression/condition.ts';
import { checkVerdicts, type LinkedStages } from './check-verdicts.ts';
import { boundOf, needsReference } from './criteria.ts';
import { opening } from './gate-cases.ts';
import type { Problems } from './instance.ts';
import type { LinkedStage } from './linked-stage.ts';
import type { Criterion } from './plan.ts';

/** A gate's evaluation sets: undefined for a single one without a name. */
type Sets = readonly string[] | undefined;

interface GateInputs {
  readonly gate: string;
  readonly sets: Sets;
  /** Undefined without a reference. */
  readonly reference: { readonly sets: Sets } | undefined;
  readonly history: boolean;
  /** With policy "all" every peer is judged, each on one set of its own. */
  readonly all: boolean;
}

export function checkCases(stage: LinkedStage, stages: LinkedStages, problems: Problems): void {
  const { instance } = stage;
  const all = instance.context.settings['policy'] === 'all';
  const given: GateInputs = {
    gate: instance.id,
    sets: all ? undefined : setsOf(stage, 'metrics'),
    reference: referenceOf(stage, all),
    history: stage.inputs.has('history'),
    all,
  };
  if (all && setsOf(stage, 'metrics') !== undefined) problems.push(setsOfPeers(instance.spec.nameAt, instance.id));
  const measured = all || stage.inputs.has('metrics');
  for (const { criteria, criterionNodes, expression, verdicts, nameAt } of instance.cases) {
    if (verdicts !== undefined) checkVerdicts(verdicts, stage, stages, problems);
    if (!measured) {
      if (criteria.length > 0 || expression !== undefined) problems.push(metricsNeeded(nameAt, instance.id));
      continue;
    }
    for (const [index, criterion] of criteria.entries()) {
      const node = criterionNodes[index];
      if (node !== undefined) checkCriterion(criterion, node, given, problems);
    }
    if (expression !== undefined) checkExpression(expression, given, problems);
  }
}

function setsOf({ inputs }: LinkedStage, port: string): Sets {
  const binding = inputs.get(port)?.binding;
  return binding?.shape === 'collect' ? binding.items.map(({ key }) => key) : undefined;
}

function referenceOf(stage: LinkedStage, all: boolean): GateInputs['reference'] {
  if (all) return stage.inputs.has('peerReferences') ? { sets: undefined } : undefined;
  return stage.inputs.has('reference') ? { sets: setsOf(stage, 'reference') } : undefined;
}

function checkCriterion(criterion: Criterion, node: Located, given: GateInputs, problems: Problems): void {
  const { rule } = boundOf(criterion);
  if (criterion.set !== undefined && given.sets?.includes(criterion.set) !== true)
    problems.push(setUnknown(placeOf(node, 'set'), given.gate, criterion.set, given.sets));
  else if (needsReference(rule)) checkReference(rule, criterion, node, given, problems);
  if (criterion.hysteresis === undefined) return;
  if (!given.history) problems.push(historyNeeded(placeOf(node, 'hysteresis'), given.gate));
  else if (given.all || given.sets !== undefined)
    problems.push(historyOfOneSet(placeOf(node, 'hysteresis'), given.gate));
}

function checkReference(
  rule: string,
  criterion: Criterion,
  node: Located,
  { gate, sets, reference }: GateInputs,
  problems: Problems,
): void {
  if (reference === undefined) {
    problems.push(referenceNeeded(opening(node), gate, rule));
    return;
  }
  if (sets === undefined && reference.sets === undefined) return;
  const judged = criterion.set === undefined ? sets : [criterion.set];
  const missing = judged?.filter((set) => reference.sets?.includes(set) !== true);
  if (missing === undefined || missing.length > 0)
    problems.push(referenceLacksSet(opening(node), gate, missing?.[0], reference.sets));
}

function checkExpression(expression: LocatedString, given: GateInputs, problems: Problems): void {
  const { sets, reference, history, all } = given;
  const matching = reference !== undefined && (sets === undefined) === (reference.sets === undefined);
  const problem = checkCondition(expression.value, { sets, reference: matching, iteration: history && !all });
  if (problem === undefined) return;
  const variables = ['metrics', 'classes', ...(matching ? ['reference'] : []), ...(history ? ['iteration'] : [])];
  const at = within(expression, problem.start, problem.length);
  problems.push(conditionInvalid(at, problem.message, variables, sets));
}

function placeOf(node: Located, key: string): Place {
  const member = memberOf(node, key);
  return member === undefined ? opening(node) : member.type === 'object' ? opening(member) : innerPlace(member);
}
