// Who works on a key right now: engines on one store do not compute a key twice at once, and what a killed engine left
// running or half-done is found by the next one that needs the key. For efficiency only: a lost or doubled claim costs time,
// never a wrong result, and nobody ever has to remove one by hand.
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, isAbsolute, join, relative } from 'node:path';
import type { ProcessIdentity } from '../process/process-identity.ts';
import { draftName, replaceFile } from '../support/atomic-file.ts';
import { isDigest, type Digest } from '../support/digest.ts';
import { isJsonObject } from '../support/json.ts';
import { errorCode, isMissing, namesIn } from '../support/missing-files.ts';
import type { StoreLayout } from './layout.ts';
import { parseIdentity } from './runs.ts';

export interface Claim {
  readonly engine: ProcessIdentity;
  readonly host: string;
  readonly run: string;
  /** Leader of the job's process group. */
  readonly job?: ProcessIdentity;
  /** Empty until an attempt has one. */
  readonly jobFolder: string;
}

/** A claim as it was found; `beat` changes whenever its owner says that it is still there. */
export interface FoundClaim extends Claim {
  readonly text: string;
  readonly beat: string;
}

export const HEARTBEAT_MS = 5000;

export const thisHost: string = hostname();

/** A claim that cannot be read is that of a process that does not live. */
const NOBODYS: Claim = { engine: { pid: 0, startTime: null }, host: thisHost, run: '', jobFolder: '' };

export function readClaim(layout: StoreLayout, key: Digest): FoundClaim | undefined {
  const path = claimPath(layout, key);
  try {
    const { mtimeNs, ino } = statSync(path, { bigint: true });
    const text = readFileSync(path, 'utf8');
    const claim = parseClaim(text) ?? NOBODYS;
    const jobFolder = isInside(layout.runs, claim.jobFolder) ? claim.jobFolder : '';
    return { ...claim, jobFolder, text, beat: `${ino}:${mtimeNs}` };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** A claim that names a folder elsewhere was not written by an engine: nothing is taken from there. */
function isInside(folder: string, path: string): boolean {
  return isAbsolute(path) && !relative(folder, path).startsWith('..');
}

/** Claims a key that nobody has claimed; false when somebody was faster. Of engines that try at once one wins. */
export function takeClaim(layout: StoreLayout, key: Digest, claim: Claim): boolean {
  const path = claimPath(layout, key);
  const draft = join(layout.drafts, draftName('claim'));
  mkdirSync(layout.drafts, { recursive: true });
  mkdirSync(layout.claims, { recursive: true });
  writeFileSync(draft, JSON.stringify(claim));
  try {
    linkSync(draft, path); // whole or not at all, and never over another
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    if (!NO_LINKS.has(errorCode(error) ?? '')) throw error;
    return takeWithoutLinks(path, JSON.stringify(claim));
  } finally {
    rmSync(draft, { force: true });
  }
  keepBeating(path);
  return true;
}

/** Says more about a claim that is the caller's. */
export async function updateClaim(layout: StoreLayout, key: Digest, claim: Claim): Promise<void> {
  await replaceFile(claimPath(layout, key), JSON.stringify(claim));
}

export async function listClaims(layout: StoreLayout): Promise<readonly Digest[]> {
  const names = await namesIn(layout.claims);
  return names.map((name) => name.replace(/\.json$/, '')).filter(isDigest);
}

export function dropClaim(layout: StoreLayout, key: Digest): void {
  const path = claimPath(layout, key);
  beating.delete(path);
  rmSync(path, { force: true });
}

/** Takes the claim of a dead owner away; false when it is not this claim any more. Of engines that try at once one wins. */
export function removeClaim(layout: StoreLayout, key: Digest, dead: FoundClaim): boolean {
  const path = claimPath(layout, key);
  const aside = join(layout.drafts, draftName('claim'));
  mkdirSync(dirname(aside), { recursive: true });
  try {
    renameSync(path, aside);
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
  const removed = readFileSync(aside, 'utf8');
  if (removed !== dead.text) {
    // Somebody else had taken the key over in between: that claim goes back, unless there is a newer one already.
    try {
      linkSync(aside, path);
    } catch {
      // Without it its owner goes on all the same; at worst the key is computed twice.
    }
  }
  rmSync(aside, { force: true });
  return removed === dead.text;
}

const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK', 'EXDEV']);

/** A reader may find it empty for a moment and take it for a dead one's. */
function takeWithoutLinks(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: 'wx' });
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
  keepBeating(path);
  return true;
}

/** Claims of this process. Their times move on so that engines on other hosts, which see no pid, know that it lives. */
const beating = new Set<string>();
let timer: NodeJS.Timeout | undefined;

function keepBeating(path: string): void {
  beating.add(path);
  timer ??= setInterval(beat, HEARTBEAT_MS).unref();
}

function beat(): void {
  const now = new Date();
  for (const path of beating) {
    try {
      utimesSync(path, now, now);
    } catch {
      beating.delete(path); // taken over, or the store is gone
    }
  }
  if (beating.size > 0) return;
  clearInterval(timer);
  timer = undefined;
}

function parseClaim(text: string): Claim | undefined {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isJsonObject(document)) return undefined;
  const { host, run, jobFolder } = document;
  const engine = parseIdentity(document['engine']);
  const job = parseIdentity(document['job']);
  if (engine === undefined || typeof jobFolder !== 'string' || typeof run !== 'string') return undefined;
  const where = typeof host === 'string' ? host : thisHost;
  return { engine, host: where, run, ...(job === undefined ? {} : { job }), jobFolder };
}

function claimPath(layout: StoreLayout, key: Digest): string {
  return join(layout.claims, `${key}.json`);
}
