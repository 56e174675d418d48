// Who works on a key right now: engines on one store do not compute a key twice at once, and what a killed engine left
// running or half-done is found by the next one that needs the key. For efficiency only: a lost or doubled claim costs time,
// never a wrong result, and nobody ever has to remove one by hand.
import { readFileSync, rmSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import {
  engineFields,
  isOfThisPlace,
  isOwnEngine,
  parseEngine,
  parseIdentity,
  type EngineIdentity,
} from '../process/engine-identity.ts';
import type { ProcessIdentity } from '../process/process-identity.ts';
import { replaceFile } from '../support/atomic-file.ts';
import { isDigest, type Digest } from '../support/digest.ts';
import { isJsonObject } from '../support/json.ts';
import { isMissing, namesIn } from '../support/missing-files.ts';
import { createOnce, removeUnchanged } from './exclusive-file.ts';
import type { StoreLayout } from './layout.ts';
import { ownersOf, type Owners, type Standing } from './owners.ts';

export interface Claim {
  readonly engine: EngineIdentity;
  readonly run: string;
  /** Leader of the job's process group, at the place of the engine. */
  readonly job?: ProcessIdentity;
  /** Empty until an attempt has one. */
  readonly jobFolder: string;
}

/** A claim as it was found. */
export interface FoundClaim extends Claim {
  /** The owner's host; empty when the claim does not say. */
  readonly host: string;
  readonly text: string;
  /** Whether it could be read: what cannot is nobody's. */
  readonly isWhole: boolean;
}

const NOBODYS: Claim & { readonly host: string } = {
  engine: { pid: 0, startTime: null },
  host: '',
  run: '',
  jobFolder: '',
};

export function readClaim(layout: StoreLayout, key: Digest): FoundClaim | undefined {
  const path = claimPath(layout, key);
  try {
    const text = readFileSync(path, 'utf8');
    const claim = parseClaim(text);
    const jobFolder = folderHere(layout.runs, claim?.jobFolder ?? '');
    return { ...(claim ?? NOBODYS), jobFolder, text, isWhole: claim !== undefined };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** How the engine stands that holds a claim. The earlier program touched its claims while it lived. */
export async function standingOf(
  layout: StoreLayout,
  key: Digest,
  claim: FoundClaim,
  owners: Owners = ownersOf(layout),
): Promise<Standing> {
  return claim.isWhole ? owners.of(claim.engine, [claimPath(layout, key)]) : 'gone';
}

/**
 * The job of a claim, if its pid means that job here. In a claim of the earlier program it does if a process of that pid started
 * in that very tick.
 */
export function jobHere({ engine, job }: Claim): ProcessIdentity | undefined {
  const mayBeHere = isOfThisPlace(engine) || (engine.place === undefined && job?.startTime !== null);
  return mayBeHere ? job : undefined;
}

/**
 * The job folder that a claim names, where it is for this engine: another container may have mounted the store elsewhere.
 * A claim that names a folder outside of the runs was not written by an engine: nothing is taken from there.
 */
function folderHere(runs: string, named: string): string {
  if (isInside(runs, named)) return named;
  const [, within] = /^.*\/\.headgate\/runs\/(.+)$/.exec(named) ?? [];
  return within !== undefined && isInside(runs, join(runs, within)) ? join(runs, within) : '';
}

function isInside(folder: string, path: string): boolean {
  return isAbsolute(path) && !relative(folder, path).startsWith('..');
}

/** Claims a key that nobody has claimed; false when somebody was faster. Of engines that try at once one wins. */
export function takeClaim(layout: StoreLayout, key: Digest, claim: Claim): boolean {
  return createOnce(layout, claimPath(layout, key), textOf(claim));
}

/** Says more about a claim that is the caller's; nothing when another engine took this one for dead and has it now. */
export async function updateClaim(layout: StoreLayout, key: Digest, claim: Claim): Promise<void> {
  if (isAnothers(layout, key)) return;
  await replaceFile(claimPath(layout, key), textOf(claim));
}

export async function listClaims(layout: StoreLayout): Promise<readonly Digest[]> {
  const names = await namesIn(layout.claims);
  return names.map((name) => name.replace(/\.json$/, '')).filter(isDigest);
}

export function dropClaim(layout: StoreLayout, key: Digest): void {
  if (!isAnothers(layout, key)) rmSync(claimPath(layout, key), { force: true });
}

function isAnothers(layout: StoreLayout, key: Digest): boolean {
  const claim = readClaim(layout, key);
  return claim?.engine.token !== undefined && !isOwnEngine(claim.engine);
}

/** Takes the claim of a dead owner away; false when it is not this claim any more. Of engines that try at once one wins. */
export function removeClaim(layout: StoreLayout, key: Digest, dead: FoundClaim): boolean {
  return removeUnchanged(layout, claimPath(layout, key), dead.text);
}

function textOf({ engine, run, job, jobFolder }: Claim): string {
  const { place } = engine;
  return JSON.stringify({
    engine: engineFields(engine),
    ...(place === undefined ? {} : { host: place.host }), // where the earlier program looks for it
    run,
    ...(job === undefined ? {} : { job: { ...job } }),
    jobFolder,
  });
}

function parseClaim(text: string): (Claim & Pick<FoundClaim, 'host'>) | undefined {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isJsonObject(document)) return undefined;
  const { host, run, jobFolder } = document;
  const engine = parseEngine(document['engine']);
  const job = parseIdentity(document['job']);
  if (engine === undefined || typeof jobFolder !== 'string' || typeof run !== 'string') return undefined;
  return { engine, host: typeof host === 'string' ? host : '', run, ...(job === undefined ? {} : { job }), jobFolder };
}

function claimPath(layout: StoreLayout, key: Digest): string {
  return join(layout.claims, `${key}.json`);
}
