// Whether the engine that holds something lives. Of this place (one pid namespace of one boot) its process tells at once. Of
// any other place its heartbeat does, by this machine's own monotonic clock: who was watched for long enough without a sign of
// life is gone. Clocks and times of different hosts are never compared. What was seen outlives the command that saw it.
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isOfThisPlace, isOwnEngine, tokenParts, type EngineIdentity } from '../process/engine-identity.ts';
import { isProcessAlive } from '../process/process-identity.ts';
import { draftName } from '../support/atomic-file.ts';
import { isJsonObject, type JsonObject } from '../support/json.ts';
import { ownProcess } from '../support/own-process.ts';
import { HEARTBEAT_MS, heartbeatOf } from './heartbeats.ts';
import type { StoreLayout } from './layout.ts';

/** `unsure`: it is elsewhere and was not watched for long enough. Whoever may live is left alone. */
export type Standing = 'alive' | 'unsure' | 'gone';

/** Beats that may fail to come before an engine elsewhere counts as dead. */
const MISSED_BEATS = 6;
/** The silence after which an owner without a heartbeat is dead: an engine of the earlier program, a command that runs for a moment. */
export const SILENT_MS = MISSED_BEATS * HEARTBEAT_MS;

type Engines = Pick<StoreLayout, 'engines'>;

interface Seen {
  readonly beat: string;
  /** When this beat was seen first, by the clock of whoever looks. */
  readonly at: number;
  /** Whether there was another beat before. */
  readonly moved: boolean;
}

export class Owners {
  private readonly layout: Engines;
  private readonly now: () => number;
  private readonly notes: SeenFile | undefined;
  private readonly seen = new Map<string, Seen>();

  /** @param clock of the caller alone, in milliseconds; then nothing that was seen earlier counts, and nothing is noted. */
  constructor(layout: Engines, clock?: () => number) {
    this.layout = layout;
    this.now = clock ?? monotonicMs;
    this.notes = clock === undefined ? SeenFile.of(layout) : undefined;
  }

  /**
   * How an engine stands that holds something.
   * @param marks files that it changes while it works, for an engine without a heartbeat.
   */
  async of(engine: EngineIdentity, marks: readonly string[]): Promise<Standing> {
    if (isOwnEngine(engine)) return 'alive';
    if (isOfThisPlace(engine)) return (await isProcessAlive(engine)) ? 'alive' : 'gone';
    if (engine.token !== undefined) return this.byHeartbeat(engine.token, marks);
    // In the earlier form a process that started in the very tick is proof enough; that there is none says nothing.
    if (engine.startTime !== null && (await isProcessAlive(engine))) return 'alive';
    return this.bySigns(marks.join(' '), beatOf(marks), SILENT_MS);
  }

  /** The same for what names its owner by the token alone. */
  async ofToken(token: string, marks: readonly string[]): Promise<Standing> {
    if (token === ownProcess().token) return 'alive';
    const named = tokenParts(token);
    if (named?.isHere === true) return (await isProcessAlive(named)) ? 'alive' : 'gone';
    return this.byHeartbeat(token, marks);
  }

  /** And for what does not say whose it is, or only by a pid that may be any host's. */
  ofNobody(marks: readonly string[]): Standing {
    return this.bySigns(marks.join(' '), beatOf(marks), SILENT_MS);
  }

  private byHeartbeat(token: string, marks: readonly string[]): Standing {
    const heartbeat = heartbeatOf(this.layout, token);
    if (heartbeat === undefined) return this.bySigns(`${token} ${marks.join(' ')}`, beatOf(marks), SILENT_MS);
    return this.bySigns(token, heartbeat.beat, MISSED_BEATS * heartbeat.everyMs);
  }

  private bySigns(whose: string, beat: string, silentMs: number): Standing {
    const now = this.now();
    const known = this.seen.get(whose) ?? this.notes?.get(whose);
    if (known?.beat === beat && known.at <= now) {
      this.seen.set(whose, known);
      if (now - known.at > silentMs) return 'gone';
      return known.moved ? 'alive' : 'unsure';
    }
    const moved = known !== undefined && known.beat !== beat;
    const seen = { beat, at: now, moved };
    this.seen.set(whose, seen);
    this.notes?.put(whose, seen, now);
    return moved ? 'alive' : 'unsure';
  }
}

const ofStores = new Map<string, Owners>();

/** The one of this process for a store: with what commands before have seen. */
export function ownersOf(layout: Engines): Owners {
  const known = ofStores.get(layout.engines) ?? new Owners(layout);
  ofStores.set(layout.engines, known);
  return known;
}

/** Counted from the boot, alike in all containers of a machine (unless one has a time namespace of its own). */
function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}

function beatOf(marks: readonly string[]): string {
  return marks.map(stampOfAny).join(' ');
}

function stampOfAny(path: string): string {
  const info = statSync(path, { bigint: true, throwIfNoEntry: false });
  return info === undefined ? '-' : `${info.ino}:${info.mtimeNs}:${info.size}`;
}

/** What was seen of others by one clock, kept in the store: a command seldom lives for as long as it has to watch. */
class SeenFile {
  private readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** None where the clock cannot be told to be the same: it begins anew with every boot. */
  static of({ engines }: Engines): SeenFile | undefined {
    const { clock } = ownProcess();
    return clock === null ? undefined : new SeenFile(join(engines, `seen-by-${clock}.json`));
  }

  get(whose: string): Seen | undefined {
    return parseSeen(this.read()[whose]);
  }

  put(whose: string, seen: Seen, now: number): void {
    const kept = Object.entries(this.read()).filter(([, value]) => now - (parseSeen(value)?.at ?? 0) < KEPT_MS);
    const draft = draftName(this.path);
    try {
      writeFileSync(draft, JSON.stringify({ ...Object.fromEntries(kept), [whose]: { ...seen } }));
      renameSync(draft, this.path);
    } catch {
      rmSync(draft, { force: true }); // a full or read-only disk: then the others are watched once more
    }
  }

  private read(): JsonObject {
    try {
      const document: unknown = JSON.parse(readFileSync(this.path, 'utf8'));
      return isJsonObject(document) ? document : {};
    } catch {
      return {};
    }
  }
}

const KEPT_MS = 24 * 60 * 60 * 1000;

function parseSeen(value: unknown): Seen | undefined {
  if (!isJsonObject(value)) return undefined;
  const { beat, at, moved } = value;
  if (typeof beat !== 'string' || typeof at !== 'number' || typeof moved !== 'boolean') return undefined;
  return { beat, at, moved };
}
