// Runs plans in a folder of its own, with the real store, real processes and everything that happened written down.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunEvent, RunEventBody } from '../../src/events/run-events.ts';
import { startRun, type RunHandle, type RunOutcome, type RunSettings } from '../../src/execute/run-plan.ts';
import { localExecutor } from '../../src/executors/local.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { openStore } from '../../src/store/store.ts';

export type EventOf<T extends RunEventBody['type']> = Extract<RunEvent, { readonly type: T }>;

export const OBEDIENT_WORKER = join(import.meta.dirname, 'obedient-worker.mjs');

export interface Finished {
  readonly outcome: RunOutcome;
  readonly events: readonly RunEvent[];
  /** Stage → how it ended. */
  readonly states: { readonly [stage: string]: string };
}

export interface StartedRun extends RunHandle {
  readonly events: RunEvent[];
  /** Resolves once such an event has been told. */
  until(type: RunEventBody['type']): Promise<void>;
}

export class Engine {
  readonly root: string;
  worker: readonly [string, ...string[]] = [process.execPath, OBEDIENT_WORKER];

  private constructor(root: string) {
    this.root = root;
  }

  static in(root: string): Engine {
    return new Engine(root);
  }

  static async inNewFolder(): Promise<Engine> {
    return new Engine(await mkdtemp(join(tmpdir(), 'headgate-engine-')));
  }

  async remove(): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }

  async start(plan: Plan, settings: Partial<RunSettings> = {}): Promise<StartedRun> {
    const events: RunEvent[] = [];
    const awaited: { readonly type: string; readonly tell: () => void }[] = [];
    const handle = await startRun({
      plan,
      store: openStore(this.root),
      executor: localExecutor,
      embedded: { argv: this.worker, code: { worker: 'test', onnxruntime: '0' } },
      options: {},
      headgate: '0.0.0',
      ...settings,
      listeners: [
        (event) => {
          events.push(event);
          awaited.filter(({ type }) => type === event.type).forEach(({ tell }) => tell());
        },
        ...(settings.listeners ?? []),
      ],
    });
    const until = async (type: RunEventBody['type']): Promise<void> => {
      if (events.some((event) => event.type === type)) return;
      await new Promise<void>((tell) => awaited.push({ type, tell }));
    };
    return { ...handle, events, until };
  }

  async run(plan: Plan, settings: Partial<RunSettings> = {}): Promise<Finished> {
    const { finished, events } = await this.start(plan, settings);
    const outcome = await finished;
    return { outcome, events, states: statesOf(events) };
  }
}

const STATE_AFTER: { readonly [type in RunEventBody['type']]?: string } = {
  'stage-started': 'running',
  'stage-succeeded': 'succeeded',
  'stage-restored': 'cached',
  'stage-failed': 'failed',
  'stage-cancelled': 'cancelled',
  'stage-not-taken': 'not-taken',
  'stage-blocked': 'blocked',
};

export function statesOf(events: readonly RunEvent[]): { readonly [stage: string]: string } {
  const states: { [stage: string]: string } = {};
  for (const event of events) {
    const state = STATE_AFTER[event.type];
    if (state !== undefined && 'stage' in event) states[event.stage] = state;
  }
  return states;
}

export function ofType<T extends RunEventBody['type']>(events: readonly RunEvent[], type: T): readonly EventOf<T>[] {
  return events.filter((event): event is EventOf<T> => event.type === type);
}
