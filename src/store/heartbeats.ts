// Signs of life of the engines that work on a store: a file each, touched every few seconds, by which engines of other hosts
// and containers, which see no pid, know that it lives. All that an engine holds names its file by the engine's token. What
// the files say of others is judged in `owners.ts`.
import { mkdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { engineFields, ownEngine } from '../process/engine-identity.ts';
import { isJsonObject } from '../support/json.ts';
import { isMissing, isNoFile } from '../support/missing-files.ts';
import { readSmallFile } from '../support/regular-file.ts';
import type { StoreLayout } from './layout.ts';

type Engines = Pick<StoreLayout, 'engines'>;

export interface Heartbeat {
  /** Differs from one look to the next whenever its engine has touched it in between. */
  readonly beat: string;
  /** How often its engine means to touch it. */
  readonly everyMs: number;
  readonly host: string;
}

/** `HEADGATE_HEARTBEAT_SECONDS` says otherwise: less finds dead engines sooner, more bears a slower network. */
export const HEARTBEAT_MS = 5000;
const [SHORTEST_MS, LONGEST_MS] = [100, 60_000];
/** An identity and two numbers; what is larger was not written by an engine. */
const MAX_BYTES = 1 << 16;

const beating = new Map<string, { holds: number; readonly timer: NodeJS.Timeout }>();

/** Lets others see from now on that this engine lives, until `endHeartbeat` was called as often. */
export function beginHeartbeat({ engines }: Engines): void {
  const path = heartbeatPath(engines, ownEngine().token);
  const known = beating.get(path);
  if (known !== undefined) {
    known.holds++;
    return;
  }
  const everyMs = ownPaceMs();
  const write = (): void => writeFileSync(path, textOf(everyMs));
  mkdirSync(engines, { recursive: true });
  write();
  beating.set(path, { holds: 1, timer: setInterval(() => beat(path, write), everyMs).unref() });
}

export function endHeartbeat({ engines }: Engines): void {
  const path = heartbeatPath(engines, ownEngine().token);
  const known = beating.get(path);
  if (known === undefined || --known.holds > 0) return;
  clearInterval(known.timer);
  beating.delete(path);
  rmSync(path, { force: true });
}

/** Undefined when the engine with this token has none (any more). */
export function heartbeatOf({ engines }: Engines, token: string): Heartbeat | undefined {
  const path = heartbeatPath(engines, token);
  try {
    const said = parse(readSmallFile(path, MAX_BYTES)); // opening it asks the file server anew
    const { mtimeNs, ino, size } = statSync(path, { bigint: true });
    return { beat: `${ino}:${mtimeNs}:${size}`, ...said };
  } catch (error) {
    if (isMissing(error) || isNoFile(error)) return undefined;
    throw error;
  }
}

export function dropHeartbeat({ engines }: Engines, token: string): void {
  rmSync(heartbeatPath(engines, token), { force: true });
}

/** Touching takes no space: an engine on a full disk lives on. */
function beat(path: string, write: () => void): void {
  try {
    const now = new Date();
    utimesSync(path, now, now);
  } catch (error) {
    if (!isMissing(error)) return;
    try {
      write(); // somebody took it for a dead engine's
    } catch {
      // The store is gone, and nobody is left to tell.
    }
  }
}

/** Whoever is killed while it writes leaves half of it: the name alone says who it was. */
function parse(text: string): Pick<Heartbeat, 'everyMs' | 'host'> {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    document = undefined;
  }
  const { everyMs, host } = isJsonObject(document) ? document : {};
  return {
    everyMs: typeof everyMs === 'number' ? within(everyMs) : HEARTBEAT_MS,
    host: typeof host === 'string' ? host : '',
  };
}

function textOf(everyMs: number): string {
  return `${JSON.stringify({ format: 'headgate-engine', version: 1, ...engineFields(ownEngine()), everyMs })}\n`;
}

function ownPaceMs(): number {
  const seconds = Number(process.env['HEADGATE_HEARTBEAT_SECONDS'] ?? NaN);
  return Number.isNaN(seconds) ? HEARTBEAT_MS : within(1000 * seconds);
}

function within(milliseconds: number): number {
  return Math.min(LONGEST_MS, Math.max(SHORTEST_MS, milliseconds));
}

function heartbeatPath(engines: string, token: string): string {
  return join(engines, `${token}.json`);
}
