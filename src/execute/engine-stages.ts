// The stages that the engine decides itself, without a job: gate, select, best and stop.
import type { StageFailure } from '../events/failures.ts';
import type { GateOverride } from '../events/gate-override.ts';
import type { OutputRecord } from '../events/run-events.ts';
import type { GateCase, GateSettings, PlannedStage } from '../plan/plan.ts';
import { canonicalJson } from '../support/canonical-json.ts';
import { digestBytes } from '../support/digest.ts';
import { isJsonObject, type JsonObject } from '../support/json.ts';
import { err, ok, type Result } from '../support/result.ts';
import { bestOf, membersOf, type Candidate } from './best.ts';
import type { ResolvedInput, StageInputs } from './edges.ts';
import { decideGate, overriddenVerdict, type Verdict } from './gate.ts';
import { decidedBefore, gateSubjects } from './gate-inputs.ts';
import { readMetrics, type LostInput, type Texts } from './read-metrics.ts';

export interface EngineOutcome {
  readonly outputs: { readonly [port: string]: OutputRecord };
  readonly verdict?: Verdict;
  /** Text of outputs that are not in the store yet. */
  readonly content: readonly string[];
}

/** What an engine stage gives for these inputs; nothing is written. */
export async function evaluateEngineStage(
  texts: Texts,
  stage: PlannedStage,
  inputs: StageInputs,
  override?: GateOverride,
): Promise<Result<EngineOutcome, StageFailure | LostInput>> {
  switch (stage.kind) {
    case 'gate':
      return evaluateGate(texts, stage, inputs, override);
    case 'select':
      return ok({
        outputs: Object.fromEntries(inputs.artifacts.map(({ port, output }) => [port, output])),
        content: [],
      });
    case 'best':
      return evaluateBest(texts, stage, inputs.artifacts);
    case 'stop':
      return ok({ outputs: {}, content: [] });
    default:
      return err({ reason: 'settings-invalid', problem: `the engine has no stage kind "${stage.kind}"` });
  }
}

/** The stop stage's own words. */
export function stopReason(stage: PlannedStage): string {
  const reason = stage.settings['reason'];
  return typeof reason === 'string' ? reason : `stage ${stage.id} ends the run`;
}

async function evaluateBest(
  texts: Texts,
  stage: PlannedStage,
  inputs: readonly ResolvedInput[],
): Promise<Result<EngineOutcome, StageFailure | LostInput>> {
  const candidates: Candidate[] = [];
  for (const input of inputs) {
    const key = /^metrics\[(.*)\]$/.exec(input.port)?.[1];
    if (key === undefined) continue;
    const metrics = await readMetrics(texts, input);
    if (!metrics.ok) return metrics;
    candidates.push({ key, metrics: metrics.value.fact });
  }
  const best = bestOf(stage.settings, candidates);
  return best.ok ? ok({ outputs: membersOf(inputs, best.value.key), content: [] }) : best;
}

async function evaluateGate(
  texts: Texts,
  stage: PlannedStage,
  { artifacts, spentMs }: StageInputs,
  override: GateOverride | undefined,
): Promise<Result<EngineOutcome, StageFailure | LostInput>> {
  const settings = gateSettings(stage.settings);
  if (settings === undefined) return err({ reason: 'settings-invalid', problem: 'a gate needs "cases"' });
  const subjects = await gateSubjects(texts, settings, artifacts);
  if (!subjects.ok) return subjects;
  const decided = await decidedBefore(texts, artifacts);
  if (!decided.ok) return decided;
  const measured = decideGate(settings, subjects.value, {
    decided: decided.value,
    ...(spentMs === undefined ? {} : { spentMs }),
  });
  const verdict =
    measured.ok && override !== undefined ? overriddenVerdict(measured.value, settings, override) : measured;
  if (!verdict.ok) return verdict;
  if (settings.failOn?.includes(verdict.value.case) === true)
    return err({ reason: 'gate-failed', case: verdict.value.case, verdict: verdict.value });
  const text = canonicalJson(verdict.value);
  const output: OutputRecord = { digest: digestBytes(text), type: 'verdict', bytes: Buffer.byteLength(text) };
  return ok({ outputs: { verdict: output }, verdict: verdict.value, content: [text] });
}

function gateSettings({ cases, policy, failOn, expect }: JsonObject): GateSettings | undefined {
  if (!Array.isArray(cases) || cases.length === 0) return undefined;
  const read = (cases as readonly unknown[]).filter(isGateCase);
  if (read.length !== cases.length) return undefined;
  const fails = Array.isArray(failOn) ? { failOn: failOn.map(String) } : {};
  return { cases: read, policy: policy === 'all' ? 'all' : 'own', ...fails, ...expected(expect) };
}

/** The schema has checked its members. */
function expected(expect: JsonObject[string] | undefined): Pick<GateSettings, 'expect'> {
  return isJsonObject(expect) ? { expect } : {};
}

/** The planner has checked the criteria themselves, with the places they were written at. */
function isGateCase(value: unknown): value is GateCase {
  return isJsonObject(value) && typeof value['name'] === 'string' && Array.isArray(value['criteria']);
}
