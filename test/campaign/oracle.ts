// Which stages must run, told by nothing but the meaning of the workflow: a memo of content-addressed results. Knows neither
// the planner nor the engine.
import { produce, seen, sha256, type Content } from './pure-jobs.ts';
import type { BareStage } from './random-workflow.ts';

type Outputs = { readonly [port: string]: Content };

/** What of a stage's key was what: to say afterwards what has changed. */
export interface KeyParts {
  readonly settings: string;
  readonly inputs: string;
  readonly files: string;
}

export interface Made {
  readonly key: string;
  /** It was made before: it runs because it was lost, or is forced to. */
  readonly known: boolean;
  readonly made: Outputs;
  readonly digests: readonly string[];
}

export interface Prediction {
  /** Programs that must run, in order. */
  readonly runs: ReadonlyMap<string, Made>;
  /** Stages that some gate left out. */
  readonly notTaken: ReadonlySet<string>;
  readonly stops: boolean;
  readonly keys: ReadonlyMap<string, KeyParts>;
  /** Stages of which one that runs stands before them, at whatever distance. */
  readonly behindRuns: ReadonlySet<string>;
  /** Digests of all objects that programs of this run give. */
  readonly objects: readonly string[];
}

export class Oracle {
  private readonly memo = new Map<string, Outputs>();

  /**
   * Evaluates the stages (in an order that respects what they read) as of now.
   * @param lost objects that are not in the store any more.
   */
  predict(
    stages: readonly BareStage[],
    files: ReadonlyMap<string, string>,
    forced: ReadonlySet<string>,
    lost: ReadonlySet<string>,
  ): Prediction {
    const outputs = new Map<string, Outputs>();
    const chosen = new Map<string, string>();
    const [notTaken, behindRuns] = [new Set<string>(), new Set<string>()];
    const ran = new Map<string, Made>();
    const keys = new Map<string, KeyParts>();
    const objects: string[] = [];
    let stops = false;
    for (const stage of stages) {
      const before = dependencies(stage);
      if (before.some((id) => ran.has(id) || behindRuns.has(id))) behindRuns.add(stage.id);
      const source = stage.oneOf?.at[chosen.get(stage.oneOf.gate) ?? ''];
      const reads = source === undefined ? stage.reads : [['out', ...source] as const];
      const missed = stage.after.some((one) => one.case !== undefined && chosen.get(one.id) !== one.case);
      const leftOut = [...reads.map(([, id]) => id), ...stage.after.map(({ id }) => id)].some((id) => notTaken.has(id));
      if (missed || leftOut || (stage.oneOf !== undefined && source === undefined)) {
        notTaken.add(stage.id);
        continue;
      }
      const inputs = Object.fromEntries(reads.map(([port, id, from]) => [port, outputs.get(id)?.[from] ?? '']));
      switch (stage.kind) {
        case 'stop':
          stops = true;
          break;
        case 'select':
          outputs.set(stage.id, inputs);
          break;
        case 'gate': {
          const metrics = inputs['metrics'];
          if (typeof metrics !== 'string') throw new Error(`${stage.id} reads metrics that are a folder`);
          const { score } = (JSON.parse(metrics) as { values: { score: number } }).values;
          const { atLeast, first, other } = stage.cases ?? { atLeast: 0, first: '', other: '' };
          chosen.set(stage.id, score >= atLeast ? first : other);
          break;
        }
        case 'job': {
          const read = Object.fromEntries(Object.entries(inputs).map(([port, content]) => [port, seen(content)]));
          const own = Object.fromEntries(stage.files.map((name) => [name, seen(files.get(name) ?? '')]));
          const settings = JSON.stringify([stage.argv, stage.declared, stage.files]);
          const parts = { settings, inputs: JSON.stringify(read), files: JSON.stringify(own) };
          const key = JSON.stringify(parts);
          const known = this.memo.get(key);
          const made = known ?? produce(stage.argv, stage.declared, { ...read, ...own });
          const digests = objectsOf(made);
          const gone = digests.some((digest) => lost.has(digest));
          if (known === undefined || gone || forced.has(stage.id))
            ran.set(stage.id, { key, known: known !== undefined, made, digests });
          keys.set(stage.id, parts);
          outputs.set(stage.id, made);
          objects.push(...digests);
        }
      }
    }
    return { runs: ran, notTaken, stops, keys, behindRuns, objects };
  }

  /** These have really run (a run that stops leaves some out). @returns what is still lost. */
  commit(ran: Iterable<Made>, lost: ReadonlySet<string>): ReadonlySet<string> {
    const left = new Set(lost);
    for (const { key, made, digests } of ran) {
      this.memo.set(key, made);
      for (const digest of digests) left.delete(digest);
    }
    return left;
  }
}

/** All that a stage has to wait for. */
export function dependencies({ reads, after, oneOf }: BareStage): readonly string[] {
  const alternatives = oneOf === undefined ? [] : [oneOf.gate, ...Object.values(oneOf.at).map(([id]) => id)];
  return [...reads.map(([, id]) => id), ...after.map(({ id }) => id), ...alternatives];
}

/** The stages that one needs, and itself; with stops that hang on a gate among them. */
export function needed(stages: readonly BareStage[], target: string): readonly BareStage[] {
  const kept = new Set<string>();
  const keep = (id: string): void => {
    if (kept.has(id)) return;
    kept.add(id);
    const stage = stages.find((one) => one.id === id);
    for (const before of stage === undefined ? [] : dependencies(stage)) keep(before);
  };
  keep(target);
  for (const stage of stages)
    if (stage.kind === 'stop' && stage.after.some(({ id }) => kept.has(id))) kept.add(stage.id);
  return stages.filter(({ id }) => kept.has(id));
}

function objectsOf(outputs: Outputs): readonly string[] {
  return Object.values(outputs).flatMap((content) =>
    typeof content === 'string' ? [sha256(content)] : Object.values(content).map(sha256),
  );
}
