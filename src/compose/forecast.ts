// What a run would do, how long it would take and what it would write: everything `plan` says, as one value.
import { statfs } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { estimateRun, type Amount, type StageEstimate } from '../execute/estimate.ts';
import { forecastRun, type StageForecast } from '../execute/forecast.ts';
import type { EmbeddedBackend } from '../execute/ports.ts';
import { LatestKeys } from '../store/actions.ts';
import type { Store } from '../store/store.ts';
import type { JsonObject } from '../support/json.ts';
import type { Selection } from './select-stages.ts';

export interface RunForecast {
  readonly workflow: string;
  readonly name: string;
  readonly params: JsonObject;
  readonly stages: readonly (StageForecast & { readonly estimate?: StageEstimate })[];
  /** How many stages will do what. */
  readonly totals: { readonly [will in StageForecast['will']]: number };
  readonly estimate: {
    /** What surely runs. */
    readonly least: Amount;
    /** With everything that may turn out changed, or that a gate may choose. */
    readonly most: Amount;
    /** Stages that run or may run, with no earlier run to go by. */
    readonly unknown: readonly string[];
    readonly cpu: number;
    /** Undefined where the file system does not say. */
    readonly freeBytes?: number;
    readonly fits: boolean;
  };
}

export interface ForecastOptions {
  readonly jobs?: number;
  readonly resources?: { readonly [token: string]: number };
}

export async function forecast(
  { plan, forced, store, embedded }: Selection & { readonly store: Store; readonly embedded: EmbeddedBackend },
  { jobs, resources = {} }: ForecastOptions = {},
): Promise<RunForecast> {
  const latest = await LatestKeys.open(store.layout, plan.workflow);
  const forecasts = await forecastRun({ plan, store, latest, code: embedded.code, forced });
  await store.stats.save();
  const cpu = resources['cpu'] ?? availableParallelism();
  const tokens = { ...resources, cpu, job: jobs ?? Number.MAX_SAFE_INTEGER };
  const { stages, unknown, least, most } = await estimateRun(plan, forecasts, { store, latest }, tokens);
  const freeBytes = await freeBytesAt(store.layout.root);
  const { workflow, name, params } = plan;
  return {
    workflow,
    name,
    params,
    stages: forecasts.map((stage) => {
      const estimate = stages.get(stage.stage);
      return estimate === undefined ? stage : { ...stage, estimate };
    }),
    totals: totalsOf(forecasts),
    estimate: {
      least,
      most,
      unknown,
      cpu,
      ...(freeBytes === undefined ? {} : { freeBytes }),
      fits: freeBytes === undefined || most.bytes <= freeBytes,
    },
  };
}

function totalsOf(forecasts: readonly StageForecast[]): RunForecast['totals'] {
  const totals = {
    run: 0,
    'run-unless-unchanged': 0,
    unknown: 0,
    restore: 0,
    'not-taken': 0,
    'stop-the-run': 0,
    fail: 0,
    'be-blocked': 0,
  };
  for (const { will } of forecasts) totals[will]++;
  return totals;
}

async function freeBytesAt(folder: string): Promise<number | undefined> {
  const info = await statfs(folder).catch(() => undefined);
  return info === undefined ? undefined : info.bavail * info.bsize;
}
