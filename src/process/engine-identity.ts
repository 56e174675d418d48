// Who an engine is: the process, and where its pid means something. What engines write into locks, claims and heartbeats, and
// what the program before the first of December 2026 wrote there: a pid, its start and perhaps a host name.
import { isJsonObject, type JsonObject } from '../support/json.ts';
import { isSamePlace, ownProcess, placeId, type Place } from '../support/own-process.ts';
import type { ProcessIdentity } from './process-identity.ts';

export interface EngineIdentity extends ProcessIdentity {
  /** Names its heartbeat; undefined for an engine of the earlier program. */
  readonly token?: string;
  /** Undefined for an engine of the earlier program. */
  readonly place?: Place;
}

export function ownEngine(): Required<EngineIdentity> {
  const { pid, startTime, token, place } = ownProcess();
  return { pid, startTime, token, place };
}

export function isOwnEngine({ token }: EngineIdentity): boolean {
  return token === ownProcess().token;
}

/** Whether its pid means a process that this one can ask about. Nobody knows where an engine of the earlier program was. */
export function isOfThisPlace({ place }: EngineIdentity): boolean {
  return place !== undefined && isSamePlace(place, ownProcess().place);
}

/** One flat object: the earlier program reads `pid` and `startTime` of it. */
export function engineFields({ pid, startTime, token, place }: EngineIdentity): JsonObject {
  return {
    pid,
    startTime,
    ...(token === undefined ? {} : { token }),
    ...(place === undefined ? {} : { host: place.host, boot: place.boot, namespaces: place.namespaces }),
  };
}

export function parseEngine(value: unknown): EngineIdentity | undefined {
  const identity = parseIdentity(value);
  if (identity === undefined || !isJsonObject(value)) return undefined;
  const { token, host, boot, namespaces } = value;
  if (typeof token !== 'string' || tokenParts(token) === undefined || typeof host !== 'string') return identity;
  if (!isTextOrNull(boot) || !isTextOrNull(namespaces)) return identity;
  return { ...identity, token, place: { host, boot, namespaces } };
}

export function parseIdentity(value: unknown): ProcessIdentity | undefined {
  if (!isJsonObject(value) || typeof value['pid'] !== 'number' || !Number.isSafeInteger(value['pid'])) return undefined;
  if (value['pid'] < 1) return undefined; // 0 and negative numbers mean groups of processes
  const startTime = value['startTime'];
  return isTextOrNull(startTime) ? { pid: value['pid'], startTime } : undefined;
}

/** The process that a token names, and whether that is one of this place. */
export function tokenParts(token: string): (ProcessIdentity & { readonly isHere: boolean }) | undefined {
  const [, place, pid, startTime] = /^([0-9a-f]{10})-([1-9]\d{0,9})-(\d{1,20}|x)-[0-9a-f]{8}$/.exec(token) ?? [];
  if (pid === undefined) return undefined;
  const own = ownProcess().place;
  const isHere = place === placeId(own) && isSamePlace(own, own);
  return { pid: Number(pid), startTime: startTime === 'x' || startTime === undefined ? null : startTime, isHere };
}

function isTextOrNull(value: unknown): value is string | null {
  return typeof value === 'string' || value === null;
}
