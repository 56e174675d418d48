// Targets made from others of the same data set: a mask whose classes are groups of another mask's, such as free and occupied.
// The targets that are there stay as they are.
import { DataError } from './data-error.ts';
import type { Dataset, MaskTarget } from './dataset.ts';

export interface DerivedTarget {
  readonly name: string;
  /** A mask. */
  readonly from: string;
  readonly classes: readonly ClassGroup[];
}

export interface ClassGroup {
  readonly name: string;
  /** Classes of the other mask; 'others' are all that no group names. */
  readonly of: readonly string[] | 'others';
}

/** @throws DataError naming the target or class that does not fit. */
export function withDerivedTargets(dataset: Dataset, derived: readonly DerivedTarget[]): Dataset {
  if (derived.length === 0) return dataset;
  const targets = new Map(dataset.targets);
  for (const target of derived) {
    const { name, from } = target;
    if (dataset.targets.has(name)) throw new DataError(`data set "${dataset.name}" has a target "${name}" already`);
    const source = dataset.targets.get(from);
    if (source?.kind !== 'mask')
      throw new DataError(
        `target "${name}" is derived from "${from}", which is no mask of data set "${dataset.name}" (targets: ${[...dataset.targets.keys()].join(', ')})`,
      );
    targets.set(name, regrouped(target, source));
  }
  return { ...dataset, targets };
}

/** Pixels that do not count go on not to count. */
function regrouped({ name, classes }: DerivedTarget, source: MaskTarget): MaskTarget {
  const groupOf = new Map<string, number>();
  for (const [group, { of }] of classes.entries()) {
    for (const label of of === 'others' ? [] : of) {
      if (!source.classes.includes(label))
        throw new DataError(`target "${name}" names class "${label}"; there are ${source.classes.join(', ')}`);
      if (groupOf.has(label)) throw new DataError(`target "${name}" has class "${label}" in two groups`);
      groupOf.set(label, group);
    }
  }
  const others = classes.findIndex(({ of }) => of === 'others');
  const table = new Uint8Array(256).fill(source.ignore);
  for (const [value, label] of source.classes.entries()) {
    const group = groupOf.get(label) ?? others;
    if (group < 0) throw new DataError(`target "${name}" leaves out class "${label}" and has no group of "others"`);
    if (value !== source.ignore) table[value] = group;
  }
  return {
    kind: 'mask',
    classes: classes.map((group) => group.name),
    ignore: source.ignore,
    values: source.values.map((value) => table[value] as number),
  };
}
