// How many stages a workflow has at least, told from what is written before any of them is made: a few lines of loops in
// each other stand for millions, and making them only to refuse them takes seconds and most of the memory. What depends on a
// parameter, or on `enabled`, counts as nothing here; the expansion itself counts exactly and refuses what this let pass.
import { memberOf, type Located } from '../diagnostics/located-json.ts';
import type { Place } from '../diagnostics/source.ts';
import type { LoopSpec, StageSpec } from '../spec/workflow-spec.ts';
import { groupKinds } from '../stages/group-kinds.ts';
import type { Declarations } from './declarations.ts';

/** Where the stage is written that is one more than `most`; undefined where that many are not certain. */
export function placeBeyond(most: number, declarations: Declarations): Place | undefined {
  const stages = [...declarations.spec.stages.values()];
  const count = new StageCount(declarations);
  return count.ofAll(stages) > most ? count.placeAfter(most, stages) : undefined;
}

class StageCount {
  private readonly declarations: Declarations;
  private readonly known = new Map<StageSpec, number>();

  constructor(declarations: Declarations) {
    this.declarations = declarations;
  }

  ofAll(specs: Iterable<StageSpec>): number {
    let sum = 0;
    for (const spec of specs) sum += this.of(spec);
    return sum;
  }

  /** Follows the order in which the expansion makes them. */
  placeAfter(count: number, specs: Iterable<StageSpec>): Place | undefined {
    let left = count;
    for (const spec of specs) {
      const own = this.of(spec);
      if (own > left) return this.placeWithin(spec, left);
      left -= own;
    }
    return undefined;
  }

  private placeWithin(spec: StageSpec, count: number): Place {
    const inOneItem = count % (1 + this.inside(spec));
    if (inOneItem === 0) return spec.nameAt;
    const left = inOneItem - 1;
    const { loop } = spec;
    if (loop === undefined) return this.placeAfter(left, this.templateStages(spec)) ?? spec.nameAt;
    const iteration = this.ofAll(loop.body.values()) + JUDGEMENT;
    if (left >= iteration * iterationsOf(loop)) return spec.nameAt;
    return this.placeAfter(left % iteration, loop.body.values()) ?? loop.until?.at ?? spec.nameAt;
  }

  private of(spec: StageSpec): number {
    const known = this.known.get(spec);
    if (known !== undefined) return known;
    this.known.set(spec, 0); // while it is open: a template that uses itself is refused elsewhere
    const own = this.isOfKnownKind(spec) ? itemsOf(spec.forEach) * (1 + this.inside(spec)) : 0;
    this.known.set(spec, own);
    return own;
  }

  private inside(spec: StageSpec): number {
    if (spec.enabled !== undefined) return 0;
    const { loop } = spec;
    if (loop === undefined) return this.ofAll(this.templateStages(spec));
    return iterationsOf(loop) * (this.ofAll(loop.body.values()) + JUDGEMENT + CHOICE);
  }

  private templateStages({ template }: StageSpec): Iterable<StageSpec> {
    const name = template?.type === 'string' ? template.value : undefined;
    return (name === undefined ? undefined : this.declarations.spec.templates.get(name))?.stages.values() ?? [];
  }

  private isOfKnownKind({ kind: { value } }: StageSpec): boolean {
    return this.declarations.kinds.has(value) || groupKinds.some(({ kind }) => kind === value);
  }
}

/** The gate that each iteration of a loop has … */
const JUDGEMENT = 1;
/** … and the stage that chooses its outputs or those after it. */
const CHOICE = 1;

/** None where there are more than a loop may have: that is another problem. */
function iterationsOf({ maxIterations }: LoopSpec): number {
  return maxIterations?.type === 'number' && maxIterations.value <= 100 ? maxIterations.value : 0;
}

function itemsOf(forEach: Located | undefined): number {
  if (forEach === undefined) return 1;
  if (forEach.type === 'array') return forEach.items.length;
  const matrix = memberOf(forEach, 'matrix');
  if (matrix?.type !== 'object' || memberOf(forEach, 'exclude') !== undefined) return 0;
  const axes = [...matrix.members.values()].map(({ value }) => (value.type === 'array' ? value.items.length : 0));
  return axes.reduce((product, values) => product * values, 1);
}
