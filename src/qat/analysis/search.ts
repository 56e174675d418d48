// Which layers get wider formats within a budget: a greedy search on measurements of the profile as a whole. Gains are never
// added up: every step measures the combination that it would make, and at the end layers are taken out and exchanged as
// long as that helps. Greedy steps are not optimal; the test beside a full search says by how much here.

export interface SearchProblem {
  /** Per layer how many formats it can have; 0 stands for the profile's own, which is where the search starts. */
  readonly options: readonly number[];
  /** Noise of a combination, by layer the number of its format: smaller is better. */
  measure(combination: Combination): Promise<number>;
  costOf(combination: Combination): number;
  readonly budget: number;
  /** Combinations that may be measured, the first one included. */
  readonly measurements: number;
}

export type Combination = readonly number[];

export interface Found {
  readonly combination: Combination;
  readonly noise: number;
  readonly cost: number;
}

export interface SearchResult {
  readonly start: Found;
  readonly best: Found;
  /** Combinations measured. */
  readonly measured: number;
  /** Whether `measurements` ended the search. */
  readonly cutShort: boolean;
}

/** How a step is chosen: by what it gains, or by what it gains for its cost. Either can be led astray; both are tried. */
type Rule = (gain: number, cost: number) => number;
const rules: readonly Rule[] = [(gain, cost) => gain / Math.max(cost, Number.MIN_VALUE), (gain) => gain];

/** The start must lie within the budget. */
export async function searchFormats(problem: SearchProblem): Promise<SearchResult> {
  const measurer = new Measurer(problem);
  const start = await measurer.find(problem.options.map(() => 0));
  if (start === undefined) throw new Error('a search without measurements');
  let best = start;
  for (const rule of rules) {
    let now = start;
    for (let before: Found | undefined; now !== before;) {
      before = now;
      now = await polish(problem, measurer, await climb(problem, measurer, now, rule));
    }
    if (isBetter(now, best)) best = now;
  }
  return { start, best, measured: measurer.measured, cutShort: measurer.cutShort };
}

class Measurer {
  cutShort = false;
  private readonly known = new Map<string, Found>();
  private readonly problem: SearchProblem;

  constructor(problem: SearchProblem) {
    this.problem = problem;
  }

  get measured(): number {
    return this.known.size;
  }

  /** @returns undefined beyond the budget, or when no further measurement is allowed. */
  async find(combination: Combination): Promise<Found | undefined> {
    const known = this.known.get(combination.join());
    if (known !== undefined) return known;
    const cost = this.problem.costOf(combination);
    if (cost > this.problem.budget) return undefined;
    if (this.known.size >= this.problem.measurements) {
      this.cutShort = true;
      return undefined;
    }
    const found = { combination, cost, noise: await this.problem.measure(combination) };
    this.known.set(combination.join(), found);
    return found;
  }
}

interface Step {
  readonly layer: number;
  readonly option: number;
  /** By the rule, when it was last measured. */
  score: number;
  /** The combination it was measured on. */
  on: Found | undefined;
}

/**
 * Takes the best step as long as one gains. What a step gained on an earlier combination is taken for an upper bound of what it
 * gains now, so that only the most promising are measured again.
 */
async function climb(problem: SearchProblem, measurer: Measurer, start: Found, rule: Rule): Promise<Found> {
  let now = start;
  let steps = problem.options.flatMap((count, layer) =>
    Array.from({ length: count }, (_, option): Step => ({ layer, option, score: Infinity, on: undefined })),
  );
  for (;;) {
    steps = steps.filter(({ layer, option }) => now.combination[layer] !== option);
    const [step] = steps.sort((left, right) => right.score - left.score);
    if (step === undefined || step.score <= 0) return now;
    const next = await measurer.find(replaced(now.combination, step.layer, step.option));
    if (next === undefined) step.score = 0;
    else if (step.on === now) now = next;
    else {
      step.on = now;
      step.score = rule(now.noise - next.noise, next.cost - now.cost);
    }
  }
}

/** Puts layers back that are wide for nothing, and exchanges one wide layer for another where that is better. */
async function polish(problem: SearchProblem, measurer: Measurer, climbed: Found): Promise<Found> {
  let now = climbed;
  for (let moved = true; moved;) {
    moved = false;
    for (const layer of wideLayers(now)) {
      const without = replaced(now.combination, layer, 0);
      for (const candidate of [without, ...exchanges(problem, without, layer)]) {
        const found = await measurer.find(candidate);
        if (found === undefined || !isBetter(found, now)) continue;
        now = found;
        moved = true;
        break;
      }
    }
  }
  return now;
}

function wideLayers({ combination }: Found): readonly number[] {
  return combination.flatMap((option, layer) => (option === 0 ? [] : [layer]));
}

function* exchanges(problem: SearchProblem, without: Combination, layer: number): Generator<Combination> {
  for (const [other, count] of problem.options.entries())
    for (let option = 1; option < count; option++)
      if (other !== layer && without[other] !== option) yield replaced(without, other, option);
}

/** Less noise, or as little for less. */
function isBetter(left: Found, right: Found): boolean {
  return left.noise < right.noise || (left.noise === right.noise && left.cost < right.cost);
}

function replaced(combination: Combination, layer: number, option: number): Combination {
  return combination.map((own, index) => (index === layer ? option : own));
}
