// What a gate's criteria ask for against what the stages before it measure: metrics that the task has, bounds in the metric's
// own direction and range, replicates enough for a confidence and drawn alike on both sides. Only where the numbers come from
// stages that say before they run what they measure; of a program's metrics the artifact itself tells, to the gate.
import {
  confidenceNeedsReplicates,
  metricHasNoClasses,
  metricNotMeasured,
  neverDecides,
  percentUnlikely,
  replicatesNotPaired,
  wrongDirection,
} from '../diagnostics/catalogue/criteria.ts';
import { innerPlace, memberOf } from '../diagnostics/located-json.ts';
import type { Located } from '../diagnostics/located-json.ts';
import type { Place } from '../diagnostics/source.ts';
import type { Measurement, Member, Producer, Producers } from '../stages/stage-kind.ts';
import { metricsOf, primaryOf, type TaskMetric } from '../stages/task-metrics.ts';
import { boundOf, needsReference, type Bound } from './criteria.ts';
import { opening } from './gate-cases.ts';
import type { Problems } from './instance.ts';
import type { LinkedStage } from './linked-stage.ts';
import { doubtAbout } from './percent-bounds.ts';
import type { Criterion } from './plan.ts';

/** @param warnings of what is hardly meant, and has a use. */
export function checkCriteria(stage: LinkedStage, producers: Producers, problems: Problems, warnings: Problems): void {
  const { instance } = stage;
  const all = instance.context.settings['policy'] === 'all';
  for (const { criteria, criterionNodes, included } of instance.cases) {
    if (!included) continue;
    for (const [index, criterion] of criteria.entries()) {
      const node = criterionNodes[index];
      if (node === undefined) continue;
      const { rule } = boundOf(criterion);
      const doubt = doubtAbout(boundOf(criterion));
      if (doubt?.weight === 'unlikely')
        warnings.push(percentUnlikely(placeOf(node, rule), rule, doubt.why, doubt.help));
      const asked: Asked = { gate: instance.id, criterion, bound: boundOf(criterion), node };
      for (const member of judged(stage, all ? 'peers' : 'metrics', criterion)) {
        const references = { port: all ? 'peerReferences' : 'reference', ...keyOf(member) };
        for (const arriving of producers.of(member)) checkMeasured(asked, arriving, problems);
        if (needsReference(asked.bound.rule)) checkPairs(asked, producers, member, references, problems);
      }
    }
  }
}

interface Asked {
  readonly gate: string;
  readonly criterion: Criterion;
  readonly bound: Bound;
  readonly node: Located;
}

/** The members of a port that the criterion looks at. */
function judged({ inputs }: LinkedStage, port: string, { set }: Criterion): readonly Member[] {
  const binding = inputs.get(port)?.binding;
  if (binding?.shape !== 'collect') return [{ port }];
  const keys = binding.items.map(({ key }) => key);
  const own = set === undefined ? keys : keys.filter((key) => key === set || key.startsWith(`${set}/`));
  return own.map((key) => ({ port, key }));
}

function keyOf({ key }: Member): { readonly key?: string } {
  return key === undefined ? {} : { key };
}

function checkMeasured({ criterion, bound, node }: Asked, arriving: Producer, problems: Problems): void {
  const measurement = arriving.kind.measures?.(arriving.context);
  const known = measurement && metricsOf(measurement.task.settings);
  if (measurement === undefined || known === undefined) return;
  const { task } = measurement;
  const asked = criterion.metric === 'primary' ? primaryOf(task.settings) : criterion.metric;
  const found = known.find(({ name }) => name === asked);
  if (found === undefined) {
    const names = known.map(({ name }) => name);
    problems.push(metricNotMeasured(placeOf(node, 'metric'), criterion.metric, task.name, names));
    return;
  }
  if (criterion.worstClass === true && !found.perClass) {
    const names = known.filter(({ perClass }) => perClass).map(({ name }) => name);
    problems.push(metricHasNoClasses(placeOf(node, 'worstClass'), asked, names));
  }
  const { rule, threshold } = bound;
  const at = placeOf(node, rule);
  if (rule === (found.higherIsBetter ? 'atMost' : 'atLeast'))
    problems.push(wrongDirection(at, asked, found.higherIsBetter, rule, threshold));
  else {
    const idle = idleBound(found, bound);
    if (idle !== undefined) problems.push(neverDecides(at, asked, rule, threshold, idle));
  }
  checkReplicates(criterion, measurement, arriving, placeOf(node, 'confidence'), problems);
}

/** Bounds that every value of the metric meets, or none. */
function idleBound(
  { unit, higherIsBetter }: TaskMetric,
  { rule, threshold }: Bound,
): Parameters<typeof neverDecides>[4] | undefined {
  const fraction = unit === 'fraction';
  switch (rule) {
    case 'atLeast':
      return fraction && threshold > 1 ? 'never' : undefined;
    case 'atMost':
      return threshold < 0 ? 'never' : undefined;
    case 'maxDegradation':
      return fraction && threshold >= 1 ? 'always' : undefined;
    case 'minImprovement':
      return fraction && threshold >= 1 ? 'never' : undefined;
    case 'maxDegradationPercent':
      return higherIsBetter && unit !== 'decibels' && threshold >= 100 ? 'always' : undefined;
    case 'percentOfReference':
    case 'minImprovementPercent':
      return undefined;
  }
}

function checkReplicates(
  { confidence }: Criterion,
  { count }: Measurement,
  { name }: Producer,
  at: Place,
  problems: Problems,
): void {
  if (confidence === undefined) return;
  // The bound is the replicate whose rank from below is (1 − c)·(B + 1), which must be one at least.
  const needed = Math.ceil(1 / (1 - confidence) - 1 - 1e-6);
  if (count < needed) problems.push(confidenceNeedsReplicates(at, confidence, name, count, needed));
}

function checkPairs(
  { criterion, node }: Asked,
  producers: Producers,
  member: Member,
  reference: Member,
  problems: Problems,
): void {
  if (criterion.confidence === undefined) return;
  const at = placeOf(node, 'confidence');
  for (const arriving of producers.of(member)) {
    const own = arriving.kind.measures?.(arriving.context);
    if (own === undefined) continue;
    for (const compared of producers.of(reference, arriving)) {
      const other = compared.kind.measures?.(compared.context);
      if (other === undefined || other.count === 0) continue;
      const field = (['split', 'count', 'seed', 'block'] as const).find((name) => own[name] !== other[name]);
      if (field === undefined) continue;
      problems.push(replicatesNotPaired(at, arriving.name, compared.name, field, [own[field], other[field]]));
    }
  }
}

function placeOf(node: Located, key: string): Place {
  const member = memberOf(node, key);
  return member === undefined ? opening(node) : innerPlace(member);
}
