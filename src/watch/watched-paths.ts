// Which files and folders matter: the sources of a plan and the data its stages read, by absolute path. Says which of them a
// change at some path touches, and which folders lead there. Never headgate's own folder.
import { dirname, sep } from 'node:path';

export interface Touched {
  readonly sources: readonly string[];
  readonly data: readonly string[];
}

export interface WatchedThings {
  /** The project: what is inside is reached from here. */
  readonly root: string;
  /** The store's folder: whatever is in it was written by runs. */
  readonly home: string;
  readonly sources: ReadonlySet<string>;
  /** Files and folders. */
  readonly data: ReadonlySet<string>;
  /** Behind a link: the real path of a source or of data → as it is named. */
  readonly aliases: ReadonlyMap<string, string>;
}

const NOTHING: Touched = { sources: [], data: [] };

export class WatchedPaths {
  private readonly things: WatchedThings;
  /** Folders above anything that is watched → what is below. */
  private readonly above = new Map<string, Set<string>>();
  /** Where watching begins, from the top down. */
  readonly tops: ReadonlySet<string>;

  constructor(things: WatchedThings) {
    this.things = things;
    const tops = new Set<string>();
    for (const path of [...things.sources, ...things.data, ...things.aliases.keys()]) {
      const inProject = isInside(path, things.root);
      tops.add(inProject ? things.root : dirname(path));
      for (let folder = dirname(path); ; folder = dirname(folder)) {
        const below = this.above.get(folder) ?? new Set();
        this.above.set(folder, below.add(things.aliases.get(path) ?? path));
        if (!inProject || folder === things.root) break;
      }
    }
    this.tops = tops;
  }

  /** What a change of a file or folder touches. */
  touchedBy(path: string): Touched {
    if (this.isOwn(path)) return NOTHING;
    const { sources, data, aliases } = this.things;
    const named = aliases.get(path) ?? path;
    if (sources.has(named) || data.has(named)) return this.sorted([named]);
    for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
      const inside = aliases.get(folder) ?? folder;
      if (data.has(inside)) return { sources: [], data: [inside] };
    }
    // A folder above was moved or made.
    const below = this.above.get(path);
    return below === undefined ? NOTHING : this.sorted([...below]);
  }

  touches(path: string): boolean {
    const { sources, data } = this.touchedBy(path);
    return sources.length + data.length > 0;
  }

  /** Whether a folder has to be looked into. */
  leadsTo(path: string): boolean {
    return !this.isOwn(path) && (this.above.has(path) || this.touches(path));
  }

  isOwn(path: string): boolean {
    return path === this.things.home || isInside(path, this.things.home);
  }

  /** Equal for sets that need the same folders watched. */
  get foldersIdentity(): string {
    return JSON.stringify([[...this.above.keys()].sort(), [...this.things.data].sort()]);
  }

  get identity(): string {
    return JSON.stringify([this.foldersIdentity, [...this.things.sources].sort()]);
  }

  private sorted(paths: readonly string[]): Touched {
    const { sources, data } = this.things;
    return { sources: paths.filter((path) => sources.has(path)), data: paths.filter((path) => data.has(path)) };
  }
}

function isInside(path: string, folder: string): boolean {
  return path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`);
}
