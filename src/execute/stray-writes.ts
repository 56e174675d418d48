// Files of the project that were written while programs ran and are no outputs of theirs: what a cached stage will not bring
// back. One walk after the run, bounded in number and time, by the time of each file's last change; who wrote a file is not
// known, only which programs were running then. Files that were deleted leave nothing to find.
import { fstatSync, statSync, type Stats } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { StageId } from '../events/ids.ts';

/** One program's time, by the wall clock. */
export interface Stint {
  readonly stage: StageId;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface StrayWrites {
  /** The programs that were running then, in the order of their start. */
  readonly stages: readonly StageId[];
  /** Relative to the root, the shallowest first. */
  readonly paths: readonly string[];
}

const MOST_ENTRIES = 20_000;
const MOST_MS = 200;
/** The file system's clock moves in steps and may lag behind the process's. */
const TICK_MS = 10;
/** Where tools keep what nobody would call an output; so do folders and files that begin with a dot. */
const CACHES = new Set(['node_modules', '__pycache__']);

export async function findStrayWrites(root: string, stints: readonly Stint[]): Promise<readonly StrayWrites[]> {
  if (stints.length === 0) return [];
  const sorted = stints.toSorted((one, other) => one.fromMs - other.fromMs);
  const [first, last] = [Math.min(...sorted.map(({ fromMs }) => fromMs)), Math.max(...sorted.map(({ toMs }) => toMs))];
  const own = ownStreams();
  const found = new Map<string, { readonly stages: readonly StageId[]; readonly paths: string[] }>();
  for await (const { path, info } of filesBelow(root)) {
    const { ctimeMs } = info;
    if (ctimeMs < first - TICK_MS || ctimeMs > last + TICK_MS || own.some((stream) => isSame(stream, info))) continue;
    const stages = runningAt(ctimeMs, sorted);
    if (stages.length === 0) continue;
    const key = stages.join('\n');
    const before = found.get(key);
    if (before === undefined) found.set(key, { stages, paths: [path] });
    else before.paths.push(path);
  }
  return [...found.values()];
}

const SHOWN = 5;

export function strayWords({ stages: [, ...others], paths }: StrayWrites): string {
  const shown = paths.slice(0, SHOWN).join(', ');
  const more = paths.length > SHOWN ? ` and ${paths.length - SHOWN} more` : '';
  const beside = others.length === 0 ? '' : ` (as ${others.length === 1 ? 'did' : 'did also'} ${listed(others)})`;
  return `${shown}${more} changed in the project while it ran${beside}; what is no declared output is not brought back when the stage is cached`;
}

function listed(names: readonly string[]): string {
  return names.length > SHOWN ? `${names.slice(0, SHOWN).join(', ')} and others` : names.join(', ');
}

function runningAt(timeMs: number, stints: readonly Stint[]): readonly StageId[] {
  const within = (slackMs: number): readonly StageId[] =>
    stints
      .filter(({ fromMs, toMs }) => timeMs >= fromMs - slackMs && timeMs <= toMs + slackMs)
      .map(({ stage }) => stage);
  const exactly = within(0);
  return exactly.length > 0 ? exactly : within(TICK_MS);
}

/** Level by level, as far as the bounds allow. */
async function* filesBelow(root: string): AsyncGenerator<{ readonly path: string; readonly info: Stats }> {
  const until = performance.now() + MOST_MS;
  const folders = [''];
  let seen = 0;
  for (const folder of folders) {
    const entries = await readdir(join(root, folder), { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      if (++seen > MOST_ENTRIES || performance.now() > until) return;
      if (entry.name.startsWith('.') || CACHES.has(entry.name)) continue;
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile()) {
        const info = statSync(join(root, path), { throwIfNoEntry: false });
        if (info !== undefined) yield { path, info };
      }
    }
  }
}

/** Where the user has sent what this process prints. */
function ownStreams(): readonly Stats[] {
  return [1, 2].flatMap((descriptor) => {
    try {
      return [fstatSync(descriptor)];
    } catch {
      return []; // closed
    }
  });
}

function isSame(one: Stats, other: Stats): boolean {
  return one.ino === other.ino && one.dev === other.dev;
}
