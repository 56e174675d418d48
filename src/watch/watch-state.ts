// When a watched workflow is planned again, as a state machine: pure, without paths, files or clocks of its own.
//
//                changed              quiet                other plan
//   watching ─────────────▶ settling ───────▶ planning ──────────────────▶ replacing
//      ▲                     ▲  ▲  ▲ │          │  │  │                        │
//      │                     │  │  └─┘ changed  │  │  │ same plan, no change    │ replaced
//      │             changed │  │               │  │  └───────────▶ watching ◀──┘
//      │                     │  └───────────────┘  │ invalid, seen for the first time
//      │                     │    changed while    ▼
//      │                     └────────────────── doubting
//      │  invalid again: told                      │ quiet
//      └────────────────── planning ◀──────────────┘
//
//   any state ── interrupted ──▶ stopping (runs write resume states) ── runs ended ──▶ ended
//                                stopping ── interrupted ──▶ stopping (runs are killed)
//
// Doubt keeps a half-written file from being complained about: a valid plan acts at once, an invalid one is looked at again.
import { unreachable } from '../support/result.ts';

export type WatchState =
  | { readonly is: 'watching' }
  /** `sourceAt`: when a source of the plan changed first; `changes`: how many changes of anything have been heard. */
  | { readonly is: 'settling'; readonly sourceAt: number | undefined; readonly changes: number }
  | { readonly is: 'planning'; readonly look: 'first' | 'second'; readonly changed: boolean }
  | { readonly is: 'doubting' }
  | { readonly is: 'replacing'; readonly changed: boolean }
  | { readonly is: 'stopping' }
  | { readonly is: 'ended' };

export type WatchInput =
  | { readonly type: 'changed'; readonly source: boolean; readonly at: number }
  | { readonly type: 'quiet' }
  | { readonly type: 'planned'; readonly plan: 'untouched' | 'same' | 'other' | 'invalid' }
  | { readonly type: 'replaced' }
  | { readonly type: 'interrupted'; readonly signal: string }
  | { readonly type: 'runs-ended' };

export type WatchAct =
  /** Replaces any earlier wish to be woken. */
  | { readonly act: 'wake'; readonly inMs: number }
  | { readonly act: 'plan' }
  | { readonly act: 'replace' }
  | { readonly act: 'tell-invalid' }
  | { readonly act: 'tell-same' }
  | { readonly act: 'interrupt-runs'; readonly signal: string }
  | { readonly act: 'end' };

/** So long nothing may change before a change counts as complete: an editor's own steps take a few milliseconds. */
export const QUIET_MS = 50;
/** More changes than one save can make: whoever makes them is busy, and may pause for longer. */
export const BURST = 40;
export const BURST_QUIET_MS = 250;
/** Data may go on arriving for hours; an edit of a source does not wait longer than this for it. */
export const LONGEST_SETTLING_MS = 1000;
/** An invalid plan must stay invalid for so long, unchanged, before it is complained about. */
export const DOUBT_MS = 250;

interface Step {
  readonly state: WatchState;
  readonly acts: readonly WatchAct[];
}

/** The first plan is made without waiting, and told without doubt. */
export const BEGINNING: WatchState = { is: 'planning', look: 'second', changed: false };

export function step(state: WatchState, input: WatchInput): Step {
  if (input.type === 'interrupted') {
    if (state.is === 'ended') return stay(state);
    return { state: { is: 'stopping' }, acts: [{ act: 'interrupt-runs', signal: input.signal }] };
  }
  switch (state.is) {
    case 'watching':
    case 'doubting':
      if (input.type === 'changed') return settle(input.source ? input.at : undefined);
      if (input.type === 'quiet' && state.is === 'doubting') return plan('second');
      return stay(state);
    case 'settling':
      if (input.type === 'changed') return settleOn(state, input);
      return input.type === 'quiet' ? plan('first') : stay(state);
    case 'planning':
      if (input.type === 'changed') return stay({ ...state, changed: true });
      return input.type === 'planned' ? planned(state, input.plan) : stay(state);
    case 'replacing':
      if (input.type === 'changed') return stay({ ...state, changed: true });
      return input.type === 'replaced' ? rest(state.changed) : stay(state);
    case 'stopping':
      return input.type === 'runs-ended' ? { state: { is: 'ended' }, acts: [{ act: 'end' }] } : stay(state);
    case 'ended':
      return stay(state);
    default:
      return unreachable(state);
  }
}

function planned(
  { look, changed }: Extract<WatchState, { is: 'planning' }>,
  outcome: Extract<WatchInput, { type: 'planned' }>['plan'],
): Step {
  switch (outcome) {
    case 'untouched':
      return rest(changed);
    case 'same':
      return { ...rest(changed), acts: [{ act: 'tell-same' }, ...rest(changed).acts] };
    case 'other':
      return { state: { is: 'replacing', changed }, acts: [{ act: 'replace' }] };
    case 'invalid':
      if (changed) return settle(undefined);
      if (look === 'first') return { state: { is: 'doubting' }, acts: [{ act: 'wake', inMs: DOUBT_MS }] };
      return { state: { is: 'watching' }, acts: [{ act: 'tell-invalid' }] };
    default:
      return unreachable(outcome);
  }
}

function settle(sourceAt: number | undefined): Step {
  return { state: { is: 'settling', sourceAt, changes: 1 }, acts: [{ act: 'wake', inMs: QUIET_MS }] };
}

function settleOn(
  { sourceAt, changes }: Extract<WatchState, { is: 'settling' }>,
  { source, at }: Extract<WatchInput, { type: 'changed' }>,
): Step {
  const since = sourceAt ?? (source ? at : undefined);
  const quiet = changes < BURST ? QUIET_MS : BURST_QUIET_MS;
  const longest = since === undefined ? quiet : Math.max(0, since + LONGEST_SETTLING_MS - at);
  return {
    state: { is: 'settling', sourceAt: since, changes: changes + 1 },
    acts: [{ act: 'wake', inMs: Math.min(quiet, longest) }],
  };
}

function plan(look: 'first' | 'second'): Step {
  return { state: { is: 'planning', look, changed: false }, acts: [{ act: 'plan' }] };
}

function rest(changed: boolean): Step {
  return changed ? settle(undefined) : stay({ is: 'watching' });
}

function stay(state: WatchState): Step {
  return { state, acts: [] };
}
