// What a forecast has announced so far, by what it works on: equal work of two stages is done once, so what one of them makes
// the other takes. Nothing here decides; see `forecast.ts`.
import type { StageId } from '../events/ids.ts';
import type { PlannedStage } from '../plan/plan.ts';
import type { JsonObject } from '../support/json.ts';
import type { StageView } from './edges.ts';
import { staticDigest } from './record-index.ts';

export class AnnouncedWork {
  private readonly keys = new Map<string, { readonly stage: StageId; readonly view: StageView }>();
  private readonly works = new Map<string, Work[]>();

  /** The stage runs for this key, for certain. */
  runsFor(key: string, stage: StageId, view: StageView): void {
    this.keys.set(key, { stage, view });
  }

  /** Who runs for this key. */
  maker(key: string): { readonly stage: StageId; readonly view: StageView } | undefined {
    return this.keys.get(key);
  }

  /**
   * The stage runs, or may run, on inputs of which these are known. Jobs are left out: their inputs differ but for rare
   * chances, and a plan that therefore doubts every one of a fan-out would tell less.
   */
  mayRun({ id, kind, runsOn }: PlannedStage, statics: JsonObject, inputs: JsonObject): void {
    if (runsOn !== 'engine') return;
    const digest = staticDigest(statics);
    const others = this.works.get(digest);
    const work = { stage: id, kind, inputs };
    if (others === undefined) this.works.set(digest, [work]);
    else others.push(work);
  }

  /** Of these stages, those whose work another one may turn out to have done. */
  doubtful(stages: ReadonlySet<StageId>): ReadonlySet<StageId> {
    const found = new Set<StageId>();
    for (const works of this.works.values()) {
      for (const one of works) {
        if (stages.has(one.stage) && works.some((other) => other !== one && mayBeEqual(one, other)))
          found.add(one.stage);
      }
    }
    return found;
  }
}

interface Work {
  readonly stage: StageId;
  readonly kind: string;
  readonly inputs: JsonObject;
}

/** Gates of a fan-out look at different metrics; those of a loop may see the same ones again. */
function mayBeEqual(one: Work, other: Work): boolean {
  if (one.kind === 'gate' && withoutIteration(one.stage) !== withoutIteration(other.stage)) return false;
  return Object.entries(one.inputs).every(([port, digest]) => !(port in other.inputs) || other.inputs[port] === digest);
}

/** `tune/until[1]` and `tune/body[1]/check` are what they are in every iteration. */
function withoutIteration(id: StageId): string {
  return id.replaceAll(/(?<=\/(?:until|body))\[\d+\](?=\/|$)/g, '');
}
