// Whether a run was what the plan announced, and whether every stage that ran said the true reason.
import type { RunCause, RunEvent } from '../../src/events/run-events.ts';
import type { StageForecast } from '../../src/execute/forecast.ts';
import { ofType, statesOf } from '../support/engine.ts';
import type { KeyParts, Prediction } from './oracle.ts';
import type { BareStage } from './bare-stage.ts';

export interface Comparison {
  readonly bare: readonly BareStage[];
  readonly predicted: Prediction;
  /** Stages whose programs ran. */
  readonly ran: readonly string[];
  readonly events: readonly RunEvent[];
  readonly foreseen: readonly StageForecast[];
  readonly forced: ReadonlySet<string>;
  readonly settled: ReadonlyMap<string, KeyParts>;
}

/** What was announced with certainty must have come so; what was left open must have been open. */
export function forecastFaults({ bare, predicted, events, foreseen }: Comparison): readonly string[] {
  const states = statesOf(events);
  const byId = new Map(bare.map((stage) => [stage.id, stage]));
  if (foreseen.length !== bare.length) return [`the plan has ${foreseen.length} stages, not ${bare.length}`];
  return foreseen.flatMap((forecast): readonly string[] => {
    const id = String(forecast.stage);
    const stage = byId.get(id);
    if (stage === undefined) return [`the plan has a stage ${id}, which nobody declared`];
    const open = predicted.behindRuns.has(id);
    const state = states[id] ?? 'nothing';
    const ends = predicted.stops || predicted.fails.size > 0;
    const must = (...allowed: readonly string[]): readonly string[] =>
      // A run that stops or fails may leave anything undone; what it did must be as announced all the same.
      allowed.includes(state) || (ends && state === 'nothing')
        ? []
        : [`${id} was announced as ${forecast.will}, but it came to ${state}`];
    // What a judgement that fails does is open until it is made.
    const failure = predicted.fails.has(id) ? ['failed'] : predicted.blocked.has(id) ? ['blocked'] : [];
    const mustBeOpen = open ? [] : [`${id} was announced as ${forecast.will}, but nothing before it runs`];
    switch (forecast.will) {
      case 'run':
        // That it runs is certain; how a judgement ends of which not all numbers are known is not.
        return forecast.key === undefined ? must('succeeded', ...failure) : must('succeeded');
      case 'restore':
        return forecast.until === undefined
          ? must('cached')
          : [...must('cached', 'not-taken', ...failure), ...mustBeOpen];
      case 'not-taken':
        return must('not-taken');
      case 'run-unless-unchanged':
        return [...must('succeeded', 'cached', ...failure), ...mustBeOpen];
      case 'unknown':
        return [
          ...must('succeeded', 'cached', 'not-taken', ...failure),
          ...(stage.kind === 'stop' ? mayStop(state) : []),
          ...mustBeOpen,
        ];
      case 'stop-the-run':
        return predicted.stops ? [] : [`${id} was announced to stop the run, which went on`];
      case 'fail':
        return predicted.fails.has(id) ? must('failed') : [`${id} was announced to fail`];
      case 'be-blocked':
        return predicted.blocked.has(id) ? must('blocked') : [`${id} was announced to be blocked`];
    }
  });

  /** A stop has no end of its own in the journal but the run's. */
  function mayStop(state: string): readonly string[] {
    return state === 'nothing' && !predicted.stops && predicted.fails.size === 0
      ? ['a stop has ended without a word']
      : [];
  }
}

/** Every program that ran names its cause, and the cause is the true one. */
export function causeFaults(comparison: Comparison): readonly string[] {
  return ofType(comparison.events, 'stage-started').flatMap(({ stage, cause }) => {
    const id = String(stage);
    const expected = expectedCause(comparison, id);
    const told = causeText(cause);
    return expected === undefined || told === expected ? [] : [`${id} ran because "${told}", truly "${expected}"`];
  });
}

function causeText(cause: RunCause): string {
  if (cause.because !== 'changed') return cause.because;
  const sound = cause.changes.every(({ pointer, before, after }) => pointer.startsWith('/') && before !== after);
  const heads = [...new Set(cause.changes.map(({ pointer }) => pointer.split('/')[1] ?? ''))].sort();
  return sound ? `changed: ${heads.join(', ')}` : `a change that is none: ${JSON.stringify(cause.changes)}`;
}

/** Undefined for the engine's own stages: they cost nothing and are compared by what they decide. */
function expectedCause({ predicted, forced, settled }: Comparison, id: string): string | undefined {
  const made = predicted.runs.get(id);
  const now = predicted.keys.get(id);
  if (made === undefined || now === undefined) return undefined;
  if (forced.has(id)) return 'forced';
  if (made.known && made.gone) return 'output-lost';
  const before = settled.get(id);
  if (before === undefined) return 'never-run';
  const heads = (['files', 'inputs', 'settings'] as const).filter((part) => before[part] !== now[part]);
  return `changed: ${heads.join(', ')}`;
}
