// Names → stages with their instances, and keys → one of these. Who asks for several, or for what is inside, is in
// `lookup.ts` (data) and `order-lookup.ts` (order and cases).
import { instanceNotDeclared, keyNeeded, notFanOut, stageNotDeclared } from '../diagnostics/catalogue/links.ts';
import type { Step } from '../expression/reference.ts';
import type { FanOut, Namespace, Problems, StageInstance, Surroundings } from './instance.ts';

/** Who asks, which must not mean itself, and where its words are to be read. */
export interface Asking {
  /** The stage that asks; the workflow itself is none. */
  readonly instance?: StageInstance;
  readonly from: Surroundings;
}

export class NameLookup {
  private readonly problems: Problems;

  constructor(problems: Problems) {
    this.problems = problems;
  }

  /** @param outwards whether the surroundings are asked too: only the first step of a path looks there. */
  fanOut({ stage }: Step, namespace: Namespace, outwards: boolean): FanOut | undefined {
    const names: string[] = [];
    for (
      let place: Namespace | undefined = namespace;
      place !== undefined;
      place = outwards ? place.outer : undefined
    ) {
      const found = place.fanOuts.get(stage.text);
      if (found !== undefined) return found;
      names.push(...place.fanOuts.keys());
    }
    return this.refuse(stageNotDeclared(stage.at, stage.text, names));
  }

  instanceKey(
    fanOut: FanOut,
    { stage, key }: Step,
    { keys: asked }: Surroundings,
    caseName: string | undefined,
  ): string | undefined {
    const keys = keysOf(fanOut);
    if (fanOut.domain === 'none') return key === undefined ? '' : this.refuse(notFanOut(key.at, stage.text));
    if (key !== undefined)
      return keys.includes(key.text) ? key.text : this.refuse(instanceNotDeclared(key.at, stage.text, key.text, keys));
    const [own] = asked;
    if (own === undefined) return this.refuse(keyNeeded(stage.at, stage.text, keys, caseName));
    return (
      asked.find((candidate) => keys.includes(candidate)) ??
      this.refuse(instanceNotDeclared(stage.at, stage.text, own, keys))
    );
  }

  private refuse(problem: Problems[number]): undefined {
    this.problems.push(problem);
    return undefined;
  }
}

export function keysOf({ instances, disabled }: FanOut): readonly string[] {
  return [...instances.keys(), ...disabled];
}
