// Says which paths under some folders have changed, whatever way they were written. Only folders are watched, not each file
// in them: an editor may replace a file by another, but the folder stays. What a change means is not decided here.
// The only importer of chokidar.
import { watch, type FSWatcher } from 'chokidar';
import type { Stats } from 'node:fs';
import { resolve } from 'node:path';
import type { WatchedPaths } from './watched-paths.ts';

export interface FileWatch {
  /** Resolves when changes of all these paths are heard; until then the paths before are. */
  follow(paths: WatchedPaths): Promise<void>;
  close(): Promise<void>;
}

export interface FileWatchSettings {
  /** Looks at every file again and again instead of being told: for file systems that tell nothing. */
  readonly poll: boolean;
  readonly onChange: (path: string) => void;
  readonly onProblem: (problem: Error) => void;
}

const POLL_EVERY_MS = 200;

export function watchFiles(settings: FileWatchSettings): FileWatch {
  let current: { readonly watcher: FSWatcher; readonly folders: string } | undefined;
  let closed = false;
  let turn = Promise.resolve();

  const follow = async (paths: WatchedPaths): Promise<void> => {
    const folders = settings.poll ? paths.identity : paths.foldersIdentity;
    if (closed || current?.folders === folders) return;
    const before = current;
    current = { watcher: await openWatcher(paths, settings), folders };
    await before?.watcher.close();
  };
  return {
    follow: (paths) => {
      turn = turn.then(() => follow(paths));
      return turn;
    },
    close: async () => {
      closed = true;
      await turn;
      await current?.watcher.close();
    },
  };
}

function openWatcher(paths: WatchedPaths, { poll, onChange, onProblem }: FileWatchSettings): Promise<FSWatcher> {
  const ignored = (path: string, stats?: Stats): boolean => {
    if (stats === undefined) return paths.isOwn(path);
    if (stats.isFile()) return !poll || !paths.touches(path);
    return !paths.leadsTo(path);
  };
  const watcher = watch([...paths.tops], {
    ignored,
    ignoreInitial: true,
    atomic: false, // what an editor's temporary files mean is decided by content
    ignorePermissionErrors: true,
    usePolling: poll,
    interval: POLL_EVERY_MS,
    binaryInterval: POLL_EVERY_MS,
  });
  // The sorted events of chokidar are thinned out by time; the raw ones are all there are.
  watcher.on('raw', (_event, name, details: unknown) => onChange(changedPath(name, details)));
  watcher.on('all', (_event, path) => onChange(path));
  watcher.on('error', (problem) => onProblem(problem instanceof Error ? problem : new Error(String(problem))));
  return new Promise((ready) => watcher.once('ready', () => ready(watcher)));
}

function changedPath(name: unknown, details: unknown): string {
  const folder =
    typeof details === 'object' && details !== null && 'watchedPath' in details ? String(details.watchedPath) : '';
  return typeof name === 'string' ? resolve(folder, name) : resolve(folder);
}
