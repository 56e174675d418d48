// A watched plan in a test: the real watch, the real file system and real runs, on hand-made plans written as JSON. Everything
// that happens is written down, and a test waits for what it needs to have happened.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunEvent } from '../../src/events/run-events.ts';
import { forecastRun } from '../../src/execute/forecast.ts';
import { fileDigests } from '../../src/execute/key.ts';
import { startRun, tokenSupply } from '../../src/execute/run-plan.ts';
import { localExecutor } from '../../src/executors/local.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { LatestKeys } from '../../src/store/actions.ts';
import { newRunId } from '../../src/store/runs.ts';
import { openStore } from '../../src/store/store.ts';
import { err, ok } from '../../src/support/result.ts';
import type { WatchEvent, WatchEventBody } from '../../src/watch/watch-events.ts';
import { WorkflowWatch } from '../../src/watch/watch-workflow.ts';
import type { Engine } from './engine.ts';

export type WatchEventOf<T extends WatchEventBody['type']> = Extract<WatchEvent, { readonly type: T }>;

const CODE = { worker: 'test', onnxruntime: '0' };

export class Watching {
  readonly file: string;
  readonly told: WatchEvent[] = [];
  readonly events: RunEvent[] = [];
  readonly outcomes: string[] = [];
  /** Paths whose content was looked at, and how often the plan was read. */
  readonly looks: string[] = [];
  loads = 0;
  ended: Promise<void> = Promise.resolve();
  private watch: WorkflowWatch | undefined;
  private waiting: (() => void)[] = [];

  private constructor(file: string) {
    this.file = file;
  }

  static async start(engine: Engine, plan: Plan, cpu = 2): Promise<Watching> {
    const watching = new Watching(join(engine.root, 'plan.json'));
    await watching.write(plan);
    watching.open(engine, cpu);
    return watching;
  }

  write(plan: Plan): Promise<void> {
    return writeFile(this.file, JSON.stringify(plan, null, 2));
  }

  interrupt(): void {
    this.watch?.interrupt('SIGINT');
  }

  /** The next event of this kind that was not waited for before. */
  async next<T extends WatchEventBody['type']>(type: T): Promise<WatchEventOf<T>> {
    const seen = this.taken.get(type) ?? 0;
    this.taken.set(type, seen + 1);
    return this.until(() => this.all(type)[seen]);
  }

  all<T extends WatchEventBody['type']>(type: T): readonly WatchEventOf<T>[] {
    return this.told.filter((event): event is WatchEventOf<T> => event.type === type);
  }

  /** Resolves as soon as something that has happened makes this true. */
  async until<T>(find: () => T | undefined | false): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== undefined && found !== false) return found;
      await new Promise<void>((happened) => this.waiting.push(happened));
    }
  }

  private readonly taken = new Map<string, number>();

  private happened(): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const wake of waiting) wake();
  }

  private open(engine: Engine, cpu: number): void {
    const store = openStore(engine.root);
    const tokens = tokenSupply({ resources: { cpu } });
    const embedded = { argv: engine.worker, code: CODE };
    this.watch = new WorkflowWatch(
      { sources: [this.file], root: engine.root, home: store.layout.home, poll: false },
      {
        load: async (onLook) => {
          this.loads++;
          onLook(this.file, 'source');
          const text = await readFile(this.file, 'utf8').catch(() => '');
          this.happened();
          try {
            return ok(JSON.parse(text) as Plan);
          } catch {
            return err([{ message: `not JSON: ${text.slice(0, 20)}` }]);
          }
        },
        digestOf: async (path) => {
          const digests = await fileDigests({ files: [{ name: 'content', path }] }, store);
          this.looks.push(path);
          this.happened();
          return digests.ok ? digests.value['content'] : undefined;
        },
        forecast: async (plan) => {
          const latest = await LatestKeys.open(store.layout, plan.workflow);
          return forecastRun({ plan, store, latest, code: CODE, forced: new Set() });
        },
        newRun: () => newRunId(new Date()),
        start: async (plan, run) => {
          const handle = await startRun({
            plan,
            run,
            store,
            tokens,
            embedded,
            executor: localExecutor,
            options: {},
            headgate: '0.0.0',
            listeners: [
              (event) => {
                this.events.push(event);
                this.happened();
              },
            ],
          });
          const ended = handle.finished.then(({ outcome }) => {
            this.outcomes.push(outcome);
            this.happened();
          });
          return { ...handle, ended };
        },
        tell: (event) => {
          this.told.push(event);
          this.happened();
        },
      },
    );
    this.ended = this.watch.run();
  }
}
