// Watches a workflow: plans it again when something it depends on changes, lets a new run take over from the one that goes
// on, and ends when it is interrupted. When is decided in `watch-state.ts`; here is only what is done then.
import { realpath } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import type { RunId } from '../events/ids.ts';
import type { StageForecast } from '../execute/forecast.ts';
import type { RunHandle } from '../execute/run-plan.ts';
import type { LookedAtAs } from '../plan/load-workflow.ts';
import type { Plan } from '../plan/plan.ts';
import { deferred } from '../support/deferred.ts';
import { isDigest, type Digest } from '../support/digest.ts';
import { unreachable, type Result } from '../support/result.ts';
import { KnownContents } from './known-contents.ts';
import { planIdentity } from './plan-identity.ts';
import { SelfFeeding } from './self-feeding.ts';
import type { WatchEvent, WatchEventBody, WatchProblem } from './watch-events.ts';
import { watchFiles, type FileWatch } from './watch-files.ts';
import { BEGINNING, step, type WatchAct, type WatchInput, type WatchState } from './watch-state.ts';
import { WatchedPaths } from './watched-paths.ts';

export interface WatchPorts {
  readonly load: (onLook: (path: string, as: LookedAtAs) => void) => Promise<Result<Plan, readonly WatchProblem[]>>;
  /** Of a file's or a folder's content; undefined when there is none. */
  readonly digestOf: (path: string) => Promise<Digest | undefined>;
  readonly forecast: (plan: Plan) => Promise<readonly StageForecast[]>;
  readonly newRun: () => RunId;
  readonly start: (plan: Plan, run: RunId) => Promise<WatchedRun>;
  readonly tell: (event: WatchEvent) => void;
}

export type WatchedRun = Pick<RunHandle, 'interrupt' | 'supersede'> & {
  /** When it has ended and that was told. */
  readonly ended: Promise<unknown>;
};

export interface WatchSettings {
  /** The workflow file and the params file, as named. */
  readonly sources: readonly [string, ...string[]];
  readonly root: string;
  /** The store's folder, whose changes are the runs' own. */
  readonly home: string;
  readonly poll: boolean;
}

/** A stale job has so long for its resume state; with what re-planning takes it is gone within two seconds of the edit. */
export const STALE_GRACE_MS = 1700;

/** Code that was found is among the files of its stage; where nothing was found nothing is followed. */
type Looked = { readonly [as in Exclude<LookedAtAs, 'code'>]: Set<string> };

export class WorkflowWatch {
  private readonly ports: WatchPorts;
  private readonly settings: WatchSettings;
  private readonly files: FileWatch;
  private readonly ended = deferred<undefined>();
  private readonly contents: KnownContents;
  private readonly selfFeeding = new SelfFeeding();
  private readonly live = new Set<WatchedRun>();
  private state: WatchState = BEGINNING;
  private timer: NodeJS.Timeout | undefined;
  private paths: WatchedPaths;
  private looked: Looked;
  private inForce: Digest | undefined;
  private next: { readonly plan: Plan; readonly identity: Digest } | undefined;
  private problems: readonly WatchProblem[] = [];
  private starting = false;
  private atRest = false;
  private signal = '';

  constructor(settings: WatchSettings, ports: WatchPorts) {
    this.settings = settings;
    this.ports = ports;
    this.contents = new KnownContents((path) => ports.digestOf(path));
    this.looked = { source: new Set(settings.sources.map((path) => resolve(path))), data: new Set() };
    this.paths = this.pathsOf(new Map());
    this.files = watchFiles({
      poll: settings.poll,
      onChange: (path) => this.onChange(path),
      onProblem: ({ message, ...problem }) =>
        this.tell({ type: 'watch-hindered', problem: message, code: 'code' in problem ? String(problem.code) : '' }),
    });
  }

  /** Resolves when it was interrupted and everything has ended; rejects on bugs and on what the machine refuses. */
  async run(): Promise<void> {
    this.tell({ type: 'watch-started', workflow: this.named(resolve(this.settings.sources[0])) });
    await this.files.follow(this.paths);
    this.act({ act: 'plan' });
    return this.ended.promise;
  }

  interrupt(signal: string): void {
    this.signal = signal;
    this.take({ type: 'interrupted', signal });
  }

  private onChange(path: string): void {
    const { sources, data } = this.paths.touchedBy(path);
    if (sources.length + data.length === 0) return;
    this.contents.touch([...sources, ...data]);
    // A source that changes while it is read is read again, whatever its digest was taken of.
    if (this.state.is === 'planning') this.contents.markEdited(sources);
    this.take({ type: 'changed', source: sources.length > 0, at: performance.now() });
  }

  private take(input: WatchInput): void {
    const { state, acts } = step(this.state, input);
    this.state = state;
    for (const act of acts) this.act(act);
    this.rest();
  }

  private act(act: WatchAct): void {
    switch (act.act) {
      case 'wake':
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.take({ type: 'quiet' }), act.inMs);
        break;
      case 'plan':
        this.carryOut(async () => this.take({ type: 'planned', plan: await this.plan() }));
        break;
      case 'replace':
        this.carryOut(() => this.replace());
        break;
      case 'tell-same':
        this.tell({ type: 'plan-unchanged', files: this.takeEdited() });
        break;
      case 'tell-invalid': {
        const running = this.live.size > 0;
        this.tell({ type: 'plan-refused', files: this.takeEdited(), problems: this.problems, running });
        this.atRest = false;
        break;
      }
      case 'interrupt-runs':
        clearTimeout(this.timer);
        for (const run of this.live) run.interrupt(act.signal);
        break;
      case 'end':
        this.tell({ type: 'watch-ended', signal: this.signal });
        this.carryOut(async () => {
          await this.files.close();
          this.ended.resolve(undefined);
        });
        break;
      default:
        unreachable(act);
    }
  }

  private async plan(): Promise<Extract<WatchInput, { type: 'planned' }>['plan']> {
    const again = this.state.is === 'planning' && this.state.look === 'second';
    await this.compareTouched();
    if (!this.contents.anyEdited && !again) return 'untouched';
    const looked: Looked = { source: new Set(), data: new Set() };
    const reading: Promise<unknown>[] = [];
    const loaded = await this.ports.load((path, as) => {
      if (as === 'code') return;
      const absolute = resolve(path);
      looked[as].add(absolute);
      if (as === 'source') reading.push(this.contents.of([absolute]));
    });
    await Promise.all(reading);
    const files = loaded.ok ? loaded.value.stages.flatMap((stage) => stage.files) : [];
    for (const { path } of files) looked.data.add(resolve(this.settings.root, path));
    this.carryOut(() => this.follow(looked, loaded.ok));
    if (!loaded.ok) {
      this.problems = loaded.error;
      return 'invalid';
    }
    const identity = planIdentity(loaded.value, await this.contents.of(looked.data));
    if (identity === this.inForce) return 'same';
    this.next = { plan: loaded.value, identity };
    return 'other';
  }

  private async compareTouched(): Promise<void> {
    const differing = await this.contents.compare();
    const { source, data } = this.looked;
    const edits = {
      sources: differing.some((path) => source.has(path)),
      data: differing.filter((path) => data.has(path)),
    };
    const { aside, newly } = this.selfFeeding.judge(edits, performance.now());
    this.contents.markEdited(differing.filter((path) => !aside.has(path)));
    for (const path of newly) this.tell({ type: 'file-set-aside', file: this.named(path) });
  }

  /** Watches what was looked at; with an invalid plan also what the last valid one was made from. */
  private async follow(looked: Looked, valid: boolean): Promise<void> {
    const before = this.looked;
    const all = valid
      ? looked
      : { source: new Set([...before.source, ...looked.source]), data: new Set([...before.data, ...looked.data]) };
    this.looked = all;
    const aliases = new Map<string, string>();
    for (const path of [...all.source, ...all.data]) {
      const real = await realpath(path).catch(() => path);
      if (real !== path) aliases.set(real, path);
    }
    if (this.looked !== all) return;
    this.paths = this.pathsOf(aliases);
    await this.files.follow(this.paths);
    // They may have changed between being read and being watched.
    const added = [...all.source, ...all.data].filter((path) => !before.source.has(path) && !before.data.has(path));
    this.contents.keepOnly(new Set([...all.source, ...all.data]));
    this.contents.touch(added);
    if (added.length > 0) this.take({ type: 'changed', source: false, at: performance.now() });
  }

  private async replace(): Promise<void> {
    const { next } = this;
    if (next === undefined) throw new Error('there is no plan to put in force');
    const keep = this.live.size === 0 ? new Set<Digest>() : keysToRun(await this.ports.forecast(next.plan));
    if (this.state.is !== 'replacing') return; // interrupted
    const run = this.ports.newRun();
    const atWork = [...this.live].map((live) => live.supersede(run, keep, STALE_GRACE_MS));
    this.inForce = next.identity;
    this.selfFeeding.restarted(performance.now());
    this.tell({
      type: 'plan-changed',
      files: this.takeEdited(),
      run,
      kept: atWork.flatMap(({ kept }) => kept),
      stopped: atWork.flatMap(({ stopped }) => stopped),
      ...((next.plan.warnings ?? []).length === 0 ? {} : { warnings: next.plan.warnings ?? [] }),
    });
    [this.starting, this.atRest] = [true, false];
    const started = await this.ports.start(next.plan, run);
    this.starting = false;
    this.live.add(started);
    this.carryOut(async () => {
      await started.ended;
      this.live.delete(started);
      if (this.live.size === 0 && !this.starting) this.selfFeeding.rested(performance.now());
      this.rest();
    });
    if (this.signal !== '') started.interrupt(this.signal);
    this.take({ type: 'replaced' });
  }

  /** When nothing is at work: the end, or word that edits are waited for, once. */
  private rest(): void {
    if (this.live.size > 0 || this.starting) return;
    if (this.state.is === 'stopping') this.take({ type: 'runs-ended' });
    else if (this.state.is === 'watching' && !this.atRest) {
      this.atRest = true;
      this.tell({ type: 'watch-waiting', files: this.looked.source.size + this.looked.data.size });
    }
  }

  private takeEdited(): readonly string[] {
    return this.contents
      .takeEdited()
      .map((path) => this.named(path))
      .sort();
  }

  private pathsOf(aliases: ReadonlyMap<string, string>): WatchedPaths {
    const { root, home } = this.settings;
    const { source: sources, data } = this.looked;
    return new WatchedPaths({ root, home, sources, data, aliases });
  }

  private named(path: string): string {
    const name = relative(this.settings.root, path);
    return name.startsWith('..') ? path : join(name);
  }

  private tell(body: WatchEventBody): void {
    this.ports.tell({ ...body, time: new Date().toISOString() });
  }

  /** Whatever is thrown ends the watch: it is a bug, or a disk that is full. */
  private carryOut(work: () => Promise<void>): void {
    work().catch((error: unknown) => this.ended.reject(error));
  }
}

/** What surely runs, and with which key: a job in flight with one of them does what the new plan wants. */
function keysToRun(forecasts: readonly StageForecast[]): ReadonlySet<Digest> {
  const keys = forecasts.flatMap((one) => (one.will === 'run' && one.key !== undefined ? [one.key] : []));
  return new Set(keys.filter(isDigest));
}
