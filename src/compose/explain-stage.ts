// Everything there is to say about one stage: what its newest run did, what a run would do now, and for both what somebody
// changed that led there, with its place.
import type { StageId } from '../events/ids.ts';
import type { RunCause } from '../events/run-events.ts';
import { changesOfKey } from '../execute/changes.ts';
import type { StageForecast } from '../execute/forecast.ts';
import type { LoadedWorkflow } from '../plan/load-workflow.ts';
import type { Plan, SourcePlace } from '../plan/plan.ts';
import type { SettingOrigin } from '../plan/setting-origin.ts';
import type { RunReport, StageReport } from '../report/run-report.ts';
import type { LatestKeys } from '../store/actions.ts';
import type { Store } from '../store/store.ts';
import { canonicalJson } from '../support/canonical-json.ts';
import { isDigest } from '../support/digest.ts';
import type { Json } from '../support/json.ts';
import { rootCauses, type RootCause, type Step } from './root-causes.ts';

export type { SettingOrigin, SourcePlace };

export interface PlacedRoot extends RootCause {
  /** Pointer of a changed setting → where its value was written. */
  readonly origins: { readonly [pointer: string]: SettingOrigin };
  /** Pointer of a changed file → its path. */
  readonly files: { readonly [pointer: string]: string };
}

export interface StageAnswer {
  readonly stage: StageId;
  readonly at: SourcePlace;
  readonly past?: StageReport;
  /** Why it ran then. */
  readonly pastRoots: readonly PlacedRoot[];
  readonly now?: StageForecast;
  /** Why it would run now. */
  readonly roots: readonly PlacedRoot[];
}

export interface Known {
  readonly plan: Plan;
  readonly store: Store;
  readonly latest: LatestKeys;
  readonly forecasts: readonly StageForecast[];
  readonly report: RunReport | undefined;
  readonly originOf: LoadedWorkflow['originOf'];
}

export async function explainStage(known: Known, stage: StageId): Promise<StageAnswer> {
  const { plan, forecasts, report } = known;
  const past = report?.stages.find(({ id }) => id === stage);
  const now = forecasts.find((forecast) => forecast.stage === stage);
  const at = plan.stages.find(({ id }) => id === stage)?.at ?? { file: plan.workflow, line: 1, column: 1 };
  const runs = now?.will === 'run' || now?.will === 'run-unless-unchanged';
  return {
    stage,
    at,
    ...(past === undefined ? {} : { past }),
    pastRoots: past?.cause === undefined ? [] : await placed(known, stage, async (id) => pastStep(report, id)),
    ...(now === undefined ? {} : { now }),
    roots: runs ? await placed(known, stage, (id) => nowStep(known, id)) : [],
  };
}

async function placed(
  known: Known,
  stage: StageId,
  step: (id: StageId) => Promise<Step>,
): Promise<readonly PlacedRoot[]> {
  const roots = await rootCauses(known.plan, stage, step);
  return roots.map((root) => ({ ...root, ...placesOf(known, root) }));
}

function placesOf({ plan, originOf }: Known, { stage, cause }: RootCause): Pick<PlacedRoot, 'origins' | 'files'> {
  const planned = plan.stages.find(({ id }) => id === stage);
  const origins: { [pointer: string]: SettingOrigin } = {};
  const files: { [pointer: string]: string } = {};
  for (const { pointer, after } of cause.because === 'changed' ? cause.changes : []) {
    const [area, ...steps] = pointer
      .slice(1)
      .split('/')
      .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
    if (area === 'files') {
      const file = planned?.files.find(({ name }) => name === steps[0]);
      if (file !== undefined) files[pointer] = file.path;
    }
    // The workflow may have been edited since: only a value that stands there now has its place there.
    if (area !== 'settings' || planned === undefined || after !== spelledAt(planned.settings, steps)) continue;
    const origin = originOf(stage, steps);
    if (origin !== undefined) origins[pointer] = origin;
  }
  return { origins, files };
}

function spelledAt(settings: Json, steps: readonly string[]): string | null {
  let value: Json | undefined = settings;
  for (const step of steps) {
    value =
      typeof value === 'object' && value !== null ? (value as { readonly [name: string]: Json })[step] : undefined;
  }
  return value === undefined ? null : canonicalJson(value);
}

function pastStep(report: RunReport | undefined, stage: StageId): Step {
  const cause = report?.stages.find(({ id }) => id === stage)?.cause;
  return cause === undefined ? {} : { cause };
}

async function nowStep({ forecasts, store, latest }: Known, stage: StageId): Promise<Step> {
  const forecast = forecasts.find((one) => one.stage === stage);
  switch (forecast?.will) {
    case 'run':
      return { cause: forecast.cause };
    case 'run-unless-unchanged':
      return { behind: forecast.behind };
    case 'restore': {
      // Cached under another key than last time: what it is restored from differs in what somebody changed.
      const before = latest.of(stage);
      if (before === undefined || before === forecast.key || !isDigest(forecast.key)) return {};
      const [old, now] = [await store.actions.read(before), await store.actions.read(forecast.key)];
      if (old === undefined || now === undefined) return {};
      const cause: RunCause = { because: 'changed', changes: changesOfKey(old.preImage, now.preImage) };
      return { cause };
    }
    default:
      return {};
  }
}
