// A kind by its name, and the context that it is asked in: two tasks that are trained, one that is only measured, a profile.
import { stageKinds } from '../../src/stages/registry.ts';
import type { ResolvedTask, StageContext, StageKind } from '../../src/stages/stage-kind.ts';
import type { JsonObject } from '../../src/support/json.ts';

const detection: ResolvedTask = {
  name: 'detection',
  settings: {
    target: 'boxes',
    stride: 4,
    classes: 10,
    loss: { kind: 'focal-heatmap' },
    metric: { kind: 'centre-map', distance: 5 },
    qat: { epochs: 9 },
  },
};
const lanes: ResolvedTask = { name: 'lanes', settings: { ...detection.settings, head: 'lane-head' } };
/** Measured, never trained on labels. */
export const bare: ResolvedTask = { name: 'bare', settings: { metric: { kind: 'sqnr' } } };
const profile = {
  weights: { bits: 4 },
  activations: { bits: 4, unsignedAfterRelu: true },
  onLow: 'qat',
  summary: 'small',
};

export function kind(name: string): StageKind {
  const found = stageKinds.get(name);
  if (found === undefined) throw new Error(`no kind ${name}`);
  return found;
}

export function context(settings: JsonObject, more: Partial<StageContext> = {}): StageContext {
  return { settings, task: detection, tasks: [detection, lanes], profile, given: [], ...more };
}
