// Wrong orders of stages, as the kinds find them in what makes their inputs: told where the setting is written that does not
// take it, else at the reference through which it arrives.
import { orderRefused } from '../diagnostics/catalogue/links.ts';
import { ENOUGH_PROBLEMS } from '../diagnostics/diagnostic.ts';
import { innerPlace, nodeAt } from '../diagnostics/located-json.ts';
import type { Place } from '../diagnostics/source.ts';
import type { ArrivalFinding } from '../stages/stage-kind.ts';
import type { Conditions } from './conditions.ts';
import type { Problems, StageInstance } from './instance.ts';
import type { LinkedStage } from './linked-stage.ts';
import { ProducerTrace, TracedProducer } from './trace-producers.ts';

export function checkOrders(order: readonly LinkedStage[], conditions: Conditions, problems: Problems): void {
  const trace = new ProducerTrace(order, conditions);
  for (const { instance } of order) {
    const { kind, context } = instance;
    if (kind.checkInputs === undefined || conditions.pruned.has(instance)) continue;
    // Iterations of a loop arrive at one place, and are wrong alike: that is told once.
    const told = new Set<string>();
    for (const finding of kind.checkInputs(context, trace.producersOf(instance))) {
      if (problems.length >= ENOUGH_PROBLEMS) return;
      const at = placeOf(instance, finding);
      const place = `${at.source.file}:${at.offset}`;
      if (told.has(place)) continue;
      told.add(place);
      problems.push(orderRefused(at, instance.id, finding.message, finding.help));
    }
  }
}

function placeOf({ spec, withNode }: StageInstance, { path, arriving }: ArrivalFinding): Place {
  const written = path.length === 0 ? withNode : nodeAt(withNode, path);
  if (written !== withNode) return innerPlace(written);
  return arriving instanceof TracedProducer ? arriving.at : spec.nameAt;
}
