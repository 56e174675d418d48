// What is known of a data set before it is made: its targets, with their kinds and classes; and what a task needs of its target.
// Filled by the dataset kind where the settings alone say it, and from a description where the file is at hand.
import { isJsonObject, jsonText } from '../support/json.ts';
import type { Json, JsonObject } from '../support/json.ts';

export type TargetKind = 'boxes' | 'mask' | 'class' | 'values';

export interface TargetOutline {
  readonly kind: TargetKind;
  /** How many. */
  readonly classes: number;
}

export type DataOutline = ReadonlyMap<string, TargetOutline>;

/** What a description of a user's own data says (schemas/dataset.schema.json), as far as it can be read so. */
export function outlineOf(description: Json): DataOutline {
  const targets = isJsonObject(description) && isJsonObject(description['targets']) ? description['targets'] : {};
  const outline = new Map<string, TargetOutline>();
  for (const [name, target] of Object.entries(targets)) {
    if (!isJsonObject(target)) continue;
    const { kind, classes } = target;
    if (isKind(kind) && Array.isArray(classes)) outline.set(name, { kind, classes: classes.length });
  }
  return outline;
}

/** Masks that a dataset stage derives from others. */
export function withDerived(outline: DataOutline, derive: Json | undefined): DataOutline {
  const targets = new Map(outline);
  for (const [name, target] of Object.entries(isJsonObject(derive) ? derive : {})) {
    const classes = isJsonObject(target) ? target['classes'] : undefined;
    if (Array.isArray(classes)) targets.set(name, { kind: 'mask', classes: classes.length });
  }
  return targets;
}

export interface Need {
  /** The place in the task. */
  readonly path: readonly string[];
  readonly what: string;
  readonly kinds: readonly TargetKind[];
}

const ofMetrics: { readonly [kind: string]: readonly TargetKind[] } = {
  'centre-map': ['boxes'],
  miou: ['mask'],
  classification: ['class'],
  regression: ['values'],
};

const ofLosses: { readonly [kind: string]: readonly TargetKind[] } = {
  'focal-heatmap': ['boxes'],
  'cross-entropy': ['mask', 'class'],
};

/** Which kinds of target the task's metric and its loss can compare with. */
export function needsOf({ metric, loss }: JsonObject): readonly Need[] {
  const of = (part: Json | undefined, known: typeof ofMetrics, name: string): readonly Need[] => {
    const kind = isJsonObject(part) ? jsonText(part['kind']) : '';
    const kinds = known[kind];
    return kinds === undefined ? [] : [{ path: [name, 'kind'], what: `${name} "${kind}"`, kinds }];
  };
  return [...of(metric, ofMetrics, 'metric'), ...of(loss, ofLosses, 'loss')];
}

function isKind(value: Json | undefined): value is TargetKind {
  return value === 'boxes' || value === 'mask' || value === 'class' || value === 'values';
}
