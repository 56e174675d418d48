// What is in a namespace. Data only in `instance.ts`; `expand.ts` fills it and `lookup.ts` walks it.
import type { Namespace, StageGroup, StageInstance } from './instance.ts';

export function isGroup(instance: StageInstance | StageGroup): instance is StageGroup {
  return 'inside' in instance;
}

/** Every stage of a namespace and of those inside it, in the order of the file. */
export function stagesIn(namespace: Namespace): readonly StageInstance[] {
  const found: StageInstance[] = [];
  const pending: Namespace[] = [namespace];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const { instances } of next.fanOuts.values()) {
      for (const instance of instances.values()) {
        if (isGroup(instance)) pending.push(instance.inside.namespace);
        else found.push(instance);
      }
    }
  }
  return found.sort((one, other) => one.index - other.index);
}
