// What must be true of a project once its last command has ended by itself, however often it was killed before.
import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { RunEvent } from '../../src/events/run-events.ts';
import { foldRun } from '../../src/report/run-report.ts';
import { readJournal } from '../../src/store/journal.ts';
import { storeLayout } from '../../src/store/layout.ts';
import { listRuns, runFolder } from '../../src/store/runs.ts';
import { isFile, parseManifest } from '../../src/store/tree-manifest.ts';
import { digestFile } from '../../src/support/digest.ts';
import { readFile } from 'node:fs/promises';
import { digestsIn } from '../e2e/project-report.ts';
import { filesBelow } from './damage.ts';
import { processesOf } from './processes.ts';

/** Longer than the grace of any job. */
const LONGEST_LEAVE_MS = 45_000;
const LOOK_MS = 100;

export interface EndState {
  /** `stage.port` → digest, of one run. */
  readonly digests: { readonly [output: string]: string };
  /** Path below .headgate/out → digest. */
  readonly delivered: { readonly [path: string]: string };
}

/** @param run not simply the newest: clocks may have been wrong when runs were named. */
export async function endStateOf(root: string, run: string | undefined): Promise<EndState> {
  const report = foldRun((await journalsOf(root)).find(([first]) => first?.run === run) ?? []);
  if (report === undefined) return { digests: {}, delivered: {} };
  const { out } = storeLayout(root);
  const delivered = existsSync(out) ? [...filesBelow(out)].sort() : [];
  const entries = await Promise.all(
    delivered.map(async (path) => [relative(out, path), await digestFile(path)] as const),
  );
  return { digests: digestsIn(report), delivered: Object.fromEntries(entries) };
}

/** The events of every run, newest first. */
export async function journalsOf(root: string): Promise<readonly (readonly RunEvent[])[]> {
  const layout = storeLayout(root);
  const runs = await listRuns(layout);
  return Promise.all(runs.map(async (run) => (await readJournal(runFolder(layout, run))).events));
}

/** Differences from the undisturbed end, and what is left lying about. */
export async function faultsOf(root: string, run: string | undefined, expected: EndState): Promise<readonly string[]> {
  const found = await endStateOf(root, run);
  return [
    ...differences('output', expected.digests, found.digests),
    ...differences('delivered file', expected.delivered, found.delivered),
    ...(await wrongRestores(root, expected)),
    ...(await damagedObjects(root, Object.values(expected.digests))),
    ...leftovers(root),
    ...(await processesLeft(root)),
  ];
}

function differences(what: string, expected: EndState['digests'], found: EndState['digests']): readonly string[] {
  const names = new Set([...Object.keys(expected), ...Object.keys(found)]);
  return [...names]
    .filter((name) => expected[name] !== found[name])
    .map(
      (name) => `${what} ${name} is ${found[name] ?? 'missing'}, undisturbed it is ${expected[name] ?? 'not there'}`,
    );
}

/** Every output that any run has told of, also one that was killed later. */
async function wrongRestores(root: string, { digests }: EndState): Promise<readonly string[]> {
  const told = (await journalsOf(root)).flat().flatMap((event) => {
    if (event.type !== 'stage-succeeded' && event.type !== 'stage-restored') return [];
    return Object.entries(event.outputs).map(
      ([port, { digest }]) => [`${event.stage}.${port}`, digest, event] as const,
    );
  });
  return told
    .filter(([name, digest]) => digests[name] !== digest)
    .map(([name, digest, { run, type }]) => `${run} told of a wrong ${name} (${type}, ${digest})`);
}

async function damagedObjects(root: string, needed: readonly string[]): Promise<readonly string[]> {
  const { objects } = storeLayout(root);
  const faults: string[] = [];
  const look = async (digest: string): Promise<void> => {
    const path = join(objects, digest.slice(0, 2), digest);
    const found = await digestFile(path).catch(() => 'missing');
    if (found !== digest) return void faults.push(`object ${digest} is ${found}`);
    const entries = parseManifest(await readFile(path, 'utf8')) ?? [];
    for (const entry of entries.filter(isFile)) await look(entry.digest);
  };
  for (const digest of needed) await look(digest);
  return faults;
}

function leftovers(root: string): readonly string[] {
  const { home, claims } = storeLayout(root);
  const { resume } = storeLayout(root);
  const inClaims = existsSync(claims) ? readdirSync(claims) : [];
  const states = existsSync(resume) ? readdirSync(resume) : [];
  // What a killed job left in the folder of its attempt is for whoever looks for the cause.
  const others = filesBelow(home).filter(
    (path) => !path.includes('/jobs/') && /\.draft-|\/drafts\/|\/lock\.json$|\/engines\/[0-9a-f]{10}-/.test(path),
  );
  return [
    ...inClaims.map((name) => `a claim is left: ${name}`),
    ...states.map((name) => `a resume state is left: ${name}`),
    ...others.map((path) => `a draft, lock or heartbeat is left: ${relative(home, path)}`),
  ];
}

/**
 * What does not end by itself. The guard of a killed engine looks once a second whether the group that it ended is gone, and
 * a dead process whose parent died too counts as there until init buries it: some inits do that every few seconds.
 */
async function processesLeft(root: string): Promise<readonly string[]> {
  let left = processesOf(root);
  for (let waited = 0; left.length > 0 && waited < LONGEST_LEAVE_MS; waited += LOOK_MS) {
    await wait(LOOK_MS);
    left = processesOf(root);
  }
  return left.map(({ pid, text }) => `process ${pid} is left: ${text}`);
}
