// The store as one thing to hand around: objects, action records and stamps under one root. No behaviour of its own.
import { ActionStore } from './actions.ts';
import { storeLayout, type StoreLayout } from './layout.ts';
import { ObjectStore, type Quarantined } from './objects.ts';
import { StatCache } from './stat-cache.ts';

export interface Store {
  readonly layout: StoreLayout;
  readonly objects: ObjectStore;
  readonly actions: ActionStore;
  readonly stats: StatCache;
  /** Hears of every object found damaged from now on, until the returned function is called. */
  onQuarantine(listener: (what: Quarantined) => void): () => void;
}

export function openStore(root: string): Store {
  const layout = storeLayout(root);
  const stats = new StatCache(layout);
  const listeners = new Set<(what: Quarantined) => void>();
  const objects = new ObjectStore(layout, stats, (what) => listeners.forEach((listener) => listener(what)));
  return {
    layout,
    objects,
    actions: new ActionStore(layout),
    stats,
    onQuarantine: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
