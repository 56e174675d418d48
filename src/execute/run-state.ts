// What a run knows of its stages while it runs: states, outputs, who depends on whom. Moves are made by `run-loop.ts`;
// nothing is started, read or written here.
//
//   pending → running → succeeded | failed | timed-out | cancelled
//   pending → cached | not-taken | blocked
//   succeeded | cached → pending            (an output was lost and its stage, with all that follow, is looked at again)
import type { StageId } from '../events/ids.ts';
import type { StageState } from '../events/run-events.ts';
import type { Plan, PlannedStage, PortRef } from '../plan/plan.ts';
import { dependenciesOf, readinessOf, type Outputs, type StageResult, type StageView } from './edges.ts';
import { shortName } from './short.ts';
import type { Stint } from './stray-writes.ts';

const MOVES: { readonly [state in StageState]: readonly StageState[] } = {
  pending: ['running', 'cached', 'not-taken', 'blocked', 'failed', 'timed-out', 'succeeded'],
  running: ['succeeded', 'failed', 'timed-out', 'cancelled', 'pending'],
  succeeded: ['pending'],
  cached: ['pending'],
  failed: [],
  'timed-out': [],
  cancelled: [], // the run is ending: what follows is left pending, not blocked
  'not-taken': ['pending'],
  blocked: [],
};

interface Entry {
  readonly stage: PlannedStage;
  readonly order: number;
  state: StageState;
  view: StageView;
  ran: boolean;
  /** Someone is looking at it right now. */
  busy: boolean;
  /** Something it was judged by has changed meanwhile. */
  stale: boolean;
  reopened: number;
}

const OPEN: StageView = { is: 'open' };

export interface LoopResults {
  readonly counts: { readonly [state: string]: number };
  /** What every stage that has ended well gave. */
  readonly outputs: ReadonlyMap<StageId, Outputs>;
  /** What gates found to be below what was asked, by task or key. */
  readonly short: readonly string[];
  readonly states: ReadonlyMap<StageId, StageState>;
  /** When which programs ran. */
  readonly programs: readonly Stint[];
}

export class RunState {
  private readonly entries = new Map<StageId, Entry>();
  private readonly dependents = new Map<StageId, StageId[]>();

  constructor(plan: Plan) {
    plan.stages.forEach((stage, order) => {
      this.entries.set(stage.id, {
        stage,
        order,
        state: 'pending',
        view: OPEN,
        ran: false,
        busy: false,
        stale: false,
        reopened: 0,
      });
      for (const id of dependenciesOf(stage)) {
        const known = this.dependents.get(id);
        if (known === undefined) this.dependents.set(id, [stage.id]);
        else known.push(stage.id);
      }
    });
  }

  entry(id: StageId): Entry {
    const entry = this.entries.get(id);
    if (entry === undefined) throw new Error(`no stage ${id} in the plan`);
    return entry;
  }

  readonly view = (id: StageId): StageView => this.entry(id).view;

  all(): readonly PlannedStage[] {
    return [...this.entries.values()].map(({ stage }) => stage);
  }

  dependentsOf(id: StageId): readonly StageId[] {
    return this.dependents.get(id) ?? [];
  }

  /** Behind a selection stands the stage that made the bytes it forwards. */
  makerOf(ref: PortRef): PortRef {
    const { stage } = this.entry(ref.stage);
    if (stage.kind !== 'select') return ref;
    const readiness = readinessOf(stage, this.view);
    const source =
      readiness.is === 'ready' ? readiness.inputs.artifacts.find(({ port }) => port === ref.port) : undefined;
    return source === undefined ? ref : this.makerOf(source.from);
  }

  move(id: StageId, to: StageState): void {
    const entry = this.entry(id);
    if (!MOVES[entry.state].includes(to)) throw new Error(`${id} cannot move from ${entry.state} to ${to}`);
    entry.state = to;
    if (to === 'failed' || to === 'timed-out') {
      entry.view = { is: 'failed', by: id };
    }
    if (to === 'succeeded') entry.ran = true;
  }

  finish(id: StageId, result: StageResult): void {
    this.entry(id).view = { is: 'done', ...result };
  }

  /** @param by the stage that failed, however far before: that is the one to look at. */
  block(id: StageId, by: StageId): void {
    this.move(id, 'blocked');
    this.entry(id).view = { is: 'failed', by };
  }

  skip(id: StageId, gate: StageId, chosen: string): void {
    this.move(id, 'not-taken');
    this.entry(id).view = { is: 'not-taken', gate, chosen };
  }

  /** Takes a stage and all that follow from it back to pending, and says which; running ones become stale instead. */
  reopen(id: StageId): readonly StageId[] {
    const reopened: StageId[] = [];
    const queue: StageId[] = [id];
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      const entry = this.entry(next);
      if (entry.busy && next !== id) {
        entry.stale = true;
        continue;
      }
      if (entry.view.is === 'open' || entry.view.is === 'failed') continue;
      entry.state = 'pending';
      entry.view = OPEN;
      reopened.push(next);
      queue.push(...this.dependentsOf(next));
    }
    return reopened;
  }

  results(): Omit<LoopResults, 'programs'> {
    return { counts: this.counts(), outputs: this.outputs(), states: this.states(), short: this.short() };
  }

  /** Of every stage that has ended well. */
  outputs(): ReadonlyMap<StageId, Outputs> {
    return new Map([...this.entries].flatMap(([id, { view }]) => (view.is === 'done' ? [[id, view.outputs]] : [])));
  }

  /** What the gates that have decided found to be short: in the plan's order, each name once. */
  short(): readonly string[] {
    const names = new Set<string>();
    for (const { stage, view } of this.entries.values()) {
      if (view.is !== 'done' || view.chosen === undefined) continue;
      const name = shortName(stage, view.chosen);
      if (name !== undefined) names.add(name);
    }
    return [...names];
  }

  states(): ReadonlyMap<StageId, StageState> {
    return new Map([...this.entries].map(([id, { state }]) => [id, state]));
  }

  counts(): { readonly [state: string]: number } {
    const counts: { [state: string]: number } = {};
    for (const { state } of this.entries.values()) counts[state] = (counts[state] ?? 0) + 1;
    return counts;
  }

  some(...states: readonly StageState[]): boolean {
    for (const { state } of this.entries.values()) if (states.includes(state)) return true;
    return false;
  }
}
