// How long a run will take and how much it will write, by what earlier runs took: the same stage's last time, else what
// its other instances (items, iterations) took, else stages of the same kind. Two answers: for what surely runs, and for
// everything that may.
import type { StageId } from '../events/ids.ts';
import type { Plan, PlannedStage } from '../plan/plan.ts';
import type { LatestKeys, RestorableRecord } from '../store/actions.ts';
import type { Store } from '../store/store.ts';
import { jsonText } from '../support/json.ts';
import { dependenciesOf } from './edges.ts';
import type { StageForecast } from './forecast.ts';
import { needsOf, TokenSupply, type Tokens } from './resources.ts';

export interface StageEstimate {
  readonly milliseconds: number;
  /** Of its outputs. */
  readonly bytes: number;
  /** Its own last time, or the median of its other instances or of its kind. */
  readonly from: 'stage' | 'kind';
}

export interface Amount {
  /** All stages' times added up. */
  readonly workMs: number;
  /** From start to end, with these tokens. */
  readonly wallClockMs: number;
  readonly bytes: number;
}

export interface RunEstimate {
  readonly stages: ReadonlyMap<StageId, StageEstimate>;
  /** Stages that run or may run, with nothing to go by. */
  readonly unknown: readonly StageId[];
  /** What surely runs. */
  readonly least: Amount;
  /** With everything that may turn out changed, or that a gate may choose. */
  readonly most: Amount;
}

const NOTHING: Amount = { workMs: 0, wallClockMs: 0, bytes: 0 };

/** @param tokens their totals, `cpu` and `job` among them. */
export async function estimateRun(
  plan: Plan,
  forecasts: readonly StageForecast[],
  history: { readonly store: Store; readonly latest: LatestKeys },
  tokens: Tokens,
): Promise<RunEstimate> {
  const sure = new Set<StageId>();
  const possible = new Set<StageId>();
  for (const { stage, will } of forecasts) {
    if (will === 'run') sure.add(stage);
    if (will === 'run' || will === 'run-unless-unchanged' || will === 'unknown') possible.add(stage);
  }
  const working = plan.stages.filter(({ id, runsOn }) => possible.has(id) && runsOn !== 'engine');
  const stages = await estimatesOf(working, plan.stages, history);
  const amount = (of: ReadonlySet<StageId>): Amount => {
    if (of.size === 0) return NOTHING;
    const known = [...stages].filter(([id]) => of.has(id)).map(([, estimate]) => estimate);
    return {
      workMs: known.reduce((sum, { milliseconds }) => sum + milliseconds, 0),
      wallClockMs: wallClockOf(plan.stages, (id) => (of.has(id) ? (stages.get(id)?.milliseconds ?? 0) : 0), tokens),
      bytes: known.reduce((sum, { bytes }) => sum + bytes, 0),
    };
  };
  return {
    stages,
    unknown: working.flatMap(({ id }) => (stages.has(id) ? [] : [id])),
    least: amount(sure),
    most: amount(possible),
  };
}

async function estimatesOf(
  wanted: readonly PlannedStage[],
  all: readonly PlannedStage[],
  { store, latest }: { readonly store: Store; readonly latest: LatestKeys },
): Promise<ReadonlyMap<StageId, StageEstimate>> {
  const ownOf = (id: StageId): Spent | undefined => {
    const key = latest.of(id);
    const record = key === undefined ? undefined : store.actions.recall(key);
    return record === undefined ? undefined : spentBy(record);
  };
  const estimates = new Map<StageId, StageEstimate>();
  let alike: { readonly instances: Medians; readonly kinds: Medians } | undefined;
  for (const { id, kind } of wanted) {
    const own = ownOf(id);
    if (own !== undefined) {
      estimates.set(id, { ...own, from: 'stage' });
      continue;
    }
    alike ??= {
      instances: medians(all.map((stage) => [withoutKeys(stage.id), ownOf(stage.id)])),
      kinds: medians((await store.actions.all()).map((made) => [jsonText(made.preImage['kind']), spentBy(made)])),
    };
    const median = alike.instances.get(withoutKeys(id)) ?? alike.kinds.get(kind);
    if (median !== undefined) estimates.set(id, { ...median, from: 'kind' });
  }
  return estimates;
}

type Spent = Omit<StageEstimate, 'from'>;
type Medians = ReadonlyMap<string, Spent>;

/** What all instances of a stage have in common: `tune/body[0]/step` is `tune/body/step`. */
function withoutKeys(id: StageId): string {
  return id.replaceAll(/\[[^\]]*\]/g, '');
}

function spentBy({ madeBy, outputs }: RestorableRecord): Spent {
  const bytes = Object.values(outputs).reduce((sum, output) => sum + output.bytes, 0);
  return { milliseconds: madeBy.milliseconds, bytes };
}

function medians(spent: readonly (readonly [name: string, Spent | undefined])[]): Medians {
  const byName = new Map<string, Spent[]>();
  for (const [name, one] of spent) {
    if (one === undefined) continue;
    const alike = byName.get(name);
    if (alike === undefined) byName.set(name, [one]);
    else alike.push(one);
  }
  const median = (numbers: readonly number[]): number =>
    numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
  return new Map(
    [...byName].map(([name, all]) => [
      name,
      {
        milliseconds: median(all.map(({ milliseconds }) => milliseconds)),
        bytes: median(all.map(({ bytes }) => bytes)),
      },
    ]),
  );
}

/** Plays the run through: stages start in the plan's order when their edges and the tokens allow it. */
export function wallClockOf(
  stages: readonly PlannedStage[],
  millisecondsOf: (id: StageId) => number,
  tokens: Tokens,
): number {
  const supply = new TokenSupply(tokens);
  const { waitsFor, dependents } = edgesAmong(stages);
  const ready: PlannedStage[] = [];
  const running: { readonly stage: PlannedStage; readonly needs: Tokens; readonly end: number }[] = [];
  let now = 0;
  /** What takes no time ends at once, and so on. */
  const reach = (reached: PlannedStage[]): void => {
    for (let stage = reached.pop(); stage !== undefined; stage = reached.pop()) {
      if (millisecondsOf(stage.id) > 0) ready.push(stage);
      else reached.push(...freedBy(stage.id));
    }
  };
  const freedBy = (id: StageId): readonly PlannedStage[] =>
    (dependents.get(id) ?? []).filter((next) => {
      const left = (waitsFor.get(next.id) ?? 0) - 1;
      waitsFor.set(next.id, left);
      return left === 0;
    });
  reach(stages.filter(({ id }) => waitsFor.get(id) === 0).reverse());
  while (ready.length > 0 || running.length > 0) {
    for (let index = 0; index < ready.length && supply.freeOf('cpu') > 0 && supply.freeOf('job') > 0;) {
      const stage = ready[index] as PlannedStage;
      const needs = cut(needsOf(stage), supply);
      if (Object.entries(needs).some(([token, number]) => supply.freeOf(token) < number)) index++;
      else {
        supply.take(needs);
        running.push({ stage, needs, end: now + millisecondsOf(stage.id) });
        ready.splice(index, 1);
      }
    }
    running.sort((a, b) => a.end - b.end);
    const next = running.shift();
    if (next === undefined) break; // nothing fits even alone: an estimate need not say why
    now = next.end;
    supply.giveBack(next.needs);
    reach([...freedBy(next.stage.id)].reverse());
  }
  return now;
}

function edgesAmong(stages: readonly PlannedStage[]): {
  readonly waitsFor: Map<StageId, number>;
  readonly dependents: ReadonlyMap<StageId, readonly PlannedStage[]>;
} {
  const known = new Set(stages.map(({ id }) => id));
  const waitsFor = new Map<StageId, number>();
  const dependents = new Map<StageId, PlannedStage[]>();
  for (const stage of stages) {
    const before = [...dependenciesOf(stage)].filter((id) => known.has(id));
    waitsFor.set(stage.id, before.length);
    for (const id of before) {
      const list = dependents.get(id);
      if (list === undefined) dependents.set(id, [stage]);
      else list.push(stage);
    }
  }
  return { waitsFor, dependents };
}

function cut(needs: Tokens, supply: TokenSupply): Tokens {
  return Object.fromEntries(
    Object.entries(needs).map(([token, count]) => [token, Math.min(count, supply.totalOf(token))]),
  );
}
