// headgate override STAGE CASE: records that a person chose a gate's case, by whom and why, until its numbers or cases change.
import { relative, resolve } from 'node:path';
import type { Mistake } from '../../compose/mistake.ts';
import { unknownStage } from '../../compose/select-stages.ts';
import { coloursFor } from '../../console/colours.ts';
import { overrideList, overrideText } from '../../console/override-text.ts';
import type { RecordedOverride } from '../../events/gate-override.ts';
import { forecastRun, type StageForecast } from '../../execute/forecast.ts';
import type { PlannedStage } from '../../plan/plan.ts';
import { LatestKeys } from '../../store/actions.ts';
import { isPlainText, readOverrides, recordOverride, removeOverride } from '../../store/overrides.ts';
import { openStore } from '../../store/store.ts';
import { err, ok, type Result } from '../../support/result.ts';
import { newestCall } from '../newest-call.ts';
import { prepare, type SelectionOptions } from '../prepare.ts';
import { printJson, refuse, type ExitCode, type Terminal } from '../terminal.ts';

export interface OverrideOptions extends Pick<SelectionOptions, 'set' | 'params' | 'root'> {
  readonly who?: string;
  readonly why?: string;
  readonly file?: string;
  readonly remove?: boolean;
  readonly list?: boolean;
  readonly json?: boolean;
}

export async function override(
  terminal: Terminal,
  stage: string | undefined,
  chosen: string | undefined,
  options: OverrideOptions,
): Promise<ExitCode> {
  if (options.list === true) return list(terminal, options);
  const wanted = checkCall(stage, chosen, options);
  if (!wanted.ok) return refuse(terminal, wanted.error.message, wanted.error.help);
  const newest = await newestCall(terminal, openStore(options.root ?? '.').layout, options);
  if (!newest.ok)
    return refuse(terminal, `there is no gate to override: ${newest.error.message}`, 'name the workflow with --file');
  const call = newest.value;
  if (options.remove === true) return remove(terminal, wanted.value.stage, call.file, options);
  return record(terminal, wanted.value, { ...call.options, ...options, file: call.file });
}

type Wanted = { readonly stage: string; readonly chosen: string; readonly who: string; readonly why: string };

function checkCall(
  stage: string | undefined,
  chosen: string | undefined,
  { who, why, remove: removes }: OverrideOptions,
): Result<Wanted, Mistake> {
  const usage = 'headgate override STAGE CASE --who NAME --why TEXT, or --list, or STAGE --remove';
  if (stage === undefined) return err({ message: 'which gate?', help: usage });
  if (removes === true) return ok({ stage, chosen: '', who: '', why: '' });
  if (chosen === undefined) return err({ message: 'which case is to be chosen?', help: usage });
  if (who === undefined || why === undefined)
    return err({ message: 'an override says who decided, and why', help: usage });
  for (const [option, text] of [
    ['--who', who],
    ['--why', why],
  ] as const) {
    if (!isPlainText(text)) return err({ message: `${option} must be one line of text, of at most 1000 characters` });
  }
  return ok({ stage, chosen, who: who.trim(), why: why.trim() });
}

async function list(terminal: Terminal, { root, json }: OverrideOptions): Promise<ExitCode> {
  const { recorded, unreadable } = await readOverrides(openStore(root ?? '.').layout);
  if (json === true) printJson(terminal, { overrides: recorded, unreadable });
  else terminal.stdout.write(overrideList(recorded, unreadable, coloursFor(terminal.stdout, terminal.env)));
  return 0;
}

async function remove(terminal: Terminal, stage: string, file: string, options: OverrideOptions): Promise<ExitCode> {
  const { layout } = openStore(options.root ?? '.');
  const workflow = relative(layout.root, resolve(file));
  const removed = await removeOverride(layout, workflow, stage);
  if (!removed) return refuse(terminal, `gate "${stage}" of ${workflow} is not overridden`, 'headgate override --list');
  if (options.json === true) printJson(terminal, { workflow, stage, removed });
  else terminal.stdout.write(`${stage}: the measured case counts again\n`);
  return 0;
}

async function record(
  terminal: Terminal,
  { stage: id, chosen, who, why }: Wanted,
  options: OverrideOptions & { readonly file: string },
): Promise<ExitCode> {
  const prepared = await prepare(terminal, options.file, options);
  if (prepared === undefined) return 2;
  const { plan, store, embedded, forced } = prepared;
  const stage = plan.stages.find((candidate) => candidate.id === id);
  const mistake = stage === undefined ? unknownStage(plan, id) : caseMistake(stage, chosen);
  if (mistake !== undefined) return refuse(terminal, mistake.message, mistake.help);
  const latest = await LatestKeys.open(store.layout, plan.workflow);
  const forecasts = await forecastRun({ plan, store, latest, code: embedded.code, forced });
  await store.stats.save();
  const forecast = forecasts.find((candidate) => candidate.stage === id);
  const key = forecast?.decision?.key;
  if (forecast === undefined || key === undefined)
    return refuse(
      terminal,
      `gate "${id}" cannot be overridden yet: its numbers are not known`,
      'run the workflow until the gate has decided; an override replaces a decision, not a measurement',
    );
  const recorded: RecordedOverride = {
    workflow: plan.workflow,
    stage: id,
    override: { case: chosen, who, why, when: new Date().toISOString(), key },
  };
  await recordOverride(store.layout, recorded);
  if (options.json === true) printJson(terminal, recorded);
  else {
    const colours = coloursFor(terminal.stdout, terminal.env);
    terminal.stdout.write(overrideText(recorded, measuredCase(forecast), colours));
  }
  return 0;
}

function caseMistake({ id, kind, settings }: PlannedStage, chosen: string): Mistake | undefined {
  if (kind !== 'gate') return { message: `stage "${id}" is a ${kind} stage`, help: 'only gates choose cases' };
  const cases = (settings['cases'] as readonly { readonly name: string }[]).map(({ name }) => name);
  if (cases.includes(chosen)) return undefined;
  return { message: `gate "${id}" has no case "${chosen}"`, help: `cases: ${cases.join(', ')}` };
}

/** Unknown where an earlier override hides it. */
function measuredCase(forecast: StageForecast): string | undefined {
  if (forecast.decision?.override !== undefined) return undefined;
  return 'chosen' in forecast ? forecast.chosen : undefined;
}
