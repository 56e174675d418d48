// What the cases of a gate ask for against what the gate is given: a reference, evaluation sets, earlier iterations; and
// conditions in CEL, whose variables are known here.
import {
  conditionInvalid,
  historyLacksSet,
  historyNeeded,
  historyOfPeers,
  metricsNeeded,
  peerLacksSet,
  referenceLacksSet,
  referenceNeeded,
  setUnknown,
  timeNotKnown,
} from '../diagnostics/catalogue/gate-cases.ts';
import { nothingExpected } from '../diagnostics/catalogue/criteria.ts';
import { innerPlace, memberOf, nodeAt, within } from '../diagnostics/located-json.ts';
import type { Located, LocatedString } from '../diagnostics/located-json.ts';
import type { Place } from '../diagnostics/source.ts';
import { checkCondition } from '../expression/condition.ts';
import { checkVerdicts, type LinkedStages } from './check-verdicts.ts';
import { boundOf, needsReference } from './criteria.ts';
import { iterationAndSet, peerAndSet } from './evaluation-sets.ts';
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
  /** The keys of earlier iterations' metrics; undefined outside of a loop. */
  readonly history: readonly string[] | undefined;
  /** With policy "all" every peer is judged, on the same sets. */
  readonly all: boolean;
}

export function checkCases(stage: LinkedStage, stages: LinkedStages, problems: Problems): void {
  const { instance } = stage;
  const all = instance.context.settings['policy'] === 'all';
  const given: GateInputs = {
    gate: instance.id,
    sets: keysOf(stage, 'metrics'),
    reference: referenceOf(stage, all),
    history: keysOf(stage, 'history'),
    all,
  };
  if (all && given.sets !== undefined) checkPeers(stage, given.sets, problems);
  checkExpectation(stage, given, problems);
  const measured = all || stage.inputs.has('metrics');
  for (const { criteria, criterionNodes, expression, verdicts, longerThan, nameAt } of instance.cases) {
    if (longerThan !== undefined && instance.timed.length === 0)
      problems.push(timeNotKnown(longerThan.at, instance.id));
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

function checkExpectation({ instance }: LinkedStage, { gate, reference }: GateInputs, problems: Problems): void {
  const expects = instance.context.settings['expect'] !== undefined;
  const written = nodeAt(instance.withNode, ['expect']);
  if (expects && reference === undefined) problems.push(referenceNeeded(opening(written), gate, 'expect'));
  for (const { implausible, name, nameAt } of instance.cases)
    if (implausible && !expects) problems.push(nothingExpected(nameAt, gate, name));
}

/** Of a collection; undefined for a single artifact, and for none. */
function keysOf({ inputs }: LinkedStage, port: string): readonly string[] | undefined {
  const binding = inputs.get(port)?.binding;
  return binding?.shape === 'collect' ? binding.items.map(({ key }) => key) : undefined;
}

function referenceOf(stage: LinkedStage, all: boolean): GateInputs['reference'] {
  if (!all) return stage.inputs.has('reference') ? { sets: keysOf(stage, 'reference') } : undefined;
  const references = keysOf(stage, 'peerReferences');
  if (references === undefined) return undefined;
  if (keysOf(stage, 'metrics') === undefined) return { sets: undefined };
  const peers = setsByPeer(keysOf(stage, 'peers') ?? []);
  const known = setsByPeer(references);
  const sets = [...(known.values().next().value ?? [])];
  return { sets: sets.filter((set) => [...peers.keys()].every((peer) => known.get(peer)?.has(set) === true)) };
}

/** Every peer is judged on every set. */
function checkPeers(stage: LinkedStage, sets: readonly string[], problems: Problems): void {
  const { id, inputs, spec } = stage.instance;
  const at = inputs.find(({ port }) => port === 'peers')?.portAt ?? spec.nameAt;
  const peers = setsByPeer(keysOf(stage, 'peers') ?? []);
  if (peers.size === 0) problems.push(peerLacksSet(at, id, sets[0] ?? 'day', undefined));
  for (const [peer, own] of peers) {
    const missing = sets.find((set) => !own.has(set));
    if (missing !== undefined) problems.push(peerLacksSet(at, id, missing, peer));
  }
}

function setsByPeer(keys: readonly string[]): ReadonlyMap<string, ReadonlySet<string>> {
  const peers = new Map<string, Set<string>>();
  for (const key of keys) {
    const found = peerAndSet(key);
    if (found === undefined) continue;
    const sets = peers.get(found.peer) ?? new Set();
    peers.set(found.peer, sets.add(found.set));
  }
  return peers;
}

function checkCriterion(criterion: Criterion, node: Located, given: GateInputs, problems: Problems): void {
  const { rule } = boundOf(criterion);
  if (criterion.set !== undefined && given.sets?.includes(criterion.set) !== true)
    problems.push(setUnknown(placeOf(node, 'set'), given.gate, criterion.set, given.sets));
  else if (needsReference(rule)) checkReference(rule, criterion, node, given, problems);
  if (criterion.hysteresis === undefined) return;
  const at = placeOf(node, 'hysteresis');
  if (given.history === undefined) problems.push(historyNeeded(at, given.gate));
  else if (given.all) problems.push(historyOfPeers(at, given.gate));
  else checkHistory(criterion, given.history, at, given, problems);
}

function checkHistory(
  { set }: Criterion,
  history: readonly string[],
  at: Place,
  { gate, sets }: GateInputs,
  problems: Problems,
): void {
  const known = history.map(iterationAndSet);
  for (const iteration of new Set(known.map((one) => one.iteration))) {
    const own = known.flatMap((one) => (one.iteration === iteration ? [one.set] : []));
    const wanted: readonly (string | undefined)[] = set === undefined ? (sets ?? [undefined]) : [set];
    const missing = wanted.filter((name) => !own.includes(name));
    if (missing.length > 0) problems.push(historyLacksSet(at, gate, iteration, missing[0]));
  }
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
  const iteration = history !== undefined && !all;
  const problem = checkCondition(expression.value, { sets, reference: matching, iteration });
  if (problem === undefined) return;
  const variables = ['metrics', 'classes', ...(matching ? ['reference'] : []), ...(iteration ? ['iteration'] : [])];
  const at = within(expression, problem.start, problem.length);
  problems.push(conditionInvalid(at, problem.message, variables, sets));
}

function placeOf(node: Located, key: string): Place {
  const member = memberOf(node, key);
  return member === undefined ? opening(node) : member.type === 'object' ? opening(member) : innerPlace(member);
}
