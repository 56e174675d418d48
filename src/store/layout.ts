// Where things are under `.headgate/`. Paths only; nothing is read or made here.
import { dirname, join, resolve } from 'node:path';

export interface StoreLayout {
  readonly root: string;
  /** The `.headgate` folder itself. */
  readonly home: string;
  readonly objects: string;
  readonly trees: string;
  readonly actions: string;
  readonly quarantine: string;
  readonly drafts: string;
  readonly resume: string;
  readonly claims: string;
  /** Heartbeats of the engines at work, and what engines of others were seen to do. */
  readonly engines: string;
  readonly runs: string;
  readonly latest: string;
  /** Copies of final outputs under names that people know. */
  readonly out: string;
  /** What headgate itself has put there, by folder of `out`; and what it is about to replace there, for as long as that takes. */
  readonly delivered: string;
  readonly aside: string;
  /** What people decided in place of gates. */
  readonly overrides: string;
  /** What is known of files by their stamps; and of records by all of their key but the inputs. Both are caches. */
  readonly statCache: string;
  readonly statics: string;
}

export function storeLayout(folder: string): StoreLayout {
  const root = resolve(folder); // jobs run in folders of their own and are given these paths
  return layoutOfHome(join(root, '.headgate'));
}

/** The same from the `.headgate` folder. */
export function layoutOfHome(home: string): StoreLayout {
  return {
    root: dirname(home),
    home,
    objects: join(home, 'objects'),
    trees: join(home, 'trees'),
    actions: join(home, 'actions'),
    quarantine: join(home, 'quarantine'),
    drafts: join(home, 'drafts'),
    resume: join(home, 'resume'),
    claims: join(home, 'claims'),
    engines: join(home, 'engines'),
    runs: join(home, 'runs'),
    latest: join(home, 'latest'),
    out: join(home, 'out'),
    delivered: join(home, 'delivered'),
    aside: join(home, 'aside'),
    overrides: join(home, 'overrides'),
    statCache: join(home, 'stat-cache'),
    statics: join(home, 'statics'),
  };
}

/** 256 folders by the first two digits, so that no folder grows without bound. */
export function sharded(folder: string, name: string): string {
  return `${folder}/${name.slice(0, 2)}/${name}`; // not `join`: it is asked for thousands of times
}
