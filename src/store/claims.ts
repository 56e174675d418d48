// Who works on a key right now: engines on one store do not compute a key twice at once, and what a killed engine left
// running or half-done is found by the next one that needs the key. For efficiency only: a lost claim costs time, nothing else.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProcessIdentity } from '../process/process-identity.ts';
import { isDigest, type Digest } from '../support/digest.ts';
import { replaceFile } from '../support/atomic-file.ts';
import { isJsonObject } from '../support/json.ts';
import { namesIn, readJsonIfPresent } from '../support/missing-files.ts';
import type { StoreLayout } from './layout.ts';
import { parseIdentity } from './runs.ts';

export interface Claim {
  readonly engine: ProcessIdentity;
  /** Leader of the job's process group. */
  readonly job?: ProcessIdentity;
  readonly jobFolder: string;
}

export async function readClaim(layout: StoreLayout, key: Digest): Promise<Claim | undefined> {
  const document = await readJsonIfPresent(claimPath(layout, key));
  if (!isJsonObject(document) || typeof document['jobFolder'] !== 'string') return undefined;
  const engine = parseIdentity(document['engine']);
  const job = parseIdentity(document['job']);
  if (engine === undefined) return undefined;
  return { engine, ...(job === undefined ? {} : { job }), jobFolder: document['jobFolder'] };
}

export async function writeClaim(layout: StoreLayout, key: Digest, claim: Claim): Promise<void> {
  await replaceFile(claimPath(layout, key), JSON.stringify(claim));
}

export async function listClaims(layout: StoreLayout): Promise<readonly Digest[]> {
  const names = await namesIn(layout.claims);
  return names.map((name) => name.replace(/\.json$/, '')).filter(isDigest);
}

export async function dropClaim(layout: StoreLayout, key: Digest): Promise<void> {
  await rm(claimPath(layout, key), { force: true });
}

function claimPath(layout: StoreLayout, key: Digest): string {
  return join(layout.claims, `${key}.json`);
}
