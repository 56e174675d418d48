// Which stages must run, told by nothing but the meaning of the workflow: a memo of content-addressed results. Knows neither
// the planner nor the engine.
import type { BareStage } from './bare-stage.ts';
import { produce, seen, sha256, type Content } from './pure-jobs.ts';

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
  /** Some of what it made was lost. */
  readonly gone: boolean;
  readonly made: Outputs;
  readonly digests: readonly string[];
}

export interface Prediction {
  /** Programs that must run, in order. */
  readonly runs: ReadonlyMap<string, Made>;
  /** Stages that some gate left out. */
  readonly notTaken: ReadonlySet<string>;
  /** Judgements that fail the run. */
  readonly fails: ReadonlySet<string>;
  /** Stages that such a judgement keeps from running. */
  readonly blocked: ReadonlySet<string>;
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
    const [fails, blocked] = [new Set<string>(), new Set<string>()];
    // An iteration of a loop may do what an earlier one did, or bring back what was lost.
    const memo = new Map(this.memo);
    const stillLost = new Set(lost);
    const ran = new Map<string, Made>();
    const keys = new Map<string, KeyParts>();
    const objects: string[] = [];
    let stops = false;
    for (const stage of stages) {
      const before = dependencies(stage);
      if (before.some((id) => ran.has(id) || behindRuns.has(id))) behindRuns.add(stage.id);
      const source = stage.oneOf?.at[chosen.get(stage.oneOf.gate) ?? ''];
      const reads = source === undefined ? stage.reads : [[stage.oneOf?.port ?? '', ...source] as const];
      const gates = [...stage.after.map(({ id }) => id), ...(stage.oneOf === undefined ? [] : [stage.oneOf.gate])];
      const direct = [...reads.map(([, id]) => id), ...gates];
      const missed = stage.after.some((one) => one.case !== undefined && (chosen.get(one.id) ?? one.case) !== one.case);
      const chose = stage.oneOf !== undefined && chosen.has(stage.oneOf.gate);
      if (missed || direct.some((id) => notTaken.has(id)) || (chose && source === undefined)) {
        notTaken.add(stage.id);
        continue;
      }
      if (direct.some((id) => fails.has(id) || blocked.has(id))) {
        blocked.add(stage.id);
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
          const { atLeast, first, other, fails: failure } = stage.cases ?? { atLeast: 0, first: '', other: '' };
          const passes = scoreOf(inputs['metrics']) >= atLeast;
          if (!passes && failure === true) fails.add(stage.id);
          else chosen.set(stage.id, passes ? first : other);
          break;
        }
        case 'best': {
          const scores = reads.flatMap(([port]) => (port.startsWith('metrics[') ? [scoreOf(inputs[port])] : []));
          outputs.set(stage.id, { w: inputs[`w[${scores.indexOf(Math.max(...scores))}]`] ?? '' });
          break;
        }
        case 'job': {
          const read = Object.fromEntries(Object.entries(inputs).map(([port, content]) => [port, seen(content)]));
          const own = Object.fromEntries(stage.files.map((name) => [name, seen(files.get(name) ?? '')]));
          const settings = JSON.stringify([stage.argv, stage.declared, stage.files]);
          const parts = { settings, inputs: JSON.stringify(read), files: JSON.stringify(own) };
          const key = JSON.stringify(parts);
          const known = memo.get(key);
          const made = known ?? produce(stage.argv, stage.declared, { ...read, ...own });
          const digests = objectsOf(made);
          const gone = digests.some((digest) => stillLost.has(digest));
          if (known === undefined || gone || forced.has(stage.id)) {
            ran.set(stage.id, { key, known: known !== undefined, gone, made, digests });
            memo.set(key, made);
            for (const digest of digests) stillLost.delete(digest);
          }
          keys.set(stage.id, parts);
          outputs.set(stage.id, made);
          objects.push(...digests);
        }
      }
    }
    return { runs: ran, notTaken, fails, blocked, stops, keys, behindRuns, objects };
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

/** The stages that one needs, and itself; with stops of which all gates are among them. */
export function needed(stages: readonly BareStage[], target: string): readonly BareStage[] {
  const kept = new Set<string>();
  const keep = (id: string): void => {
    if (kept.has(id)) return;
    kept.add(id);
    const stage = stages.find((one) => one.id === id);
    for (const before of stage === undefined ? [] : dependencies(stage)) keep(before);
  };
  keep(target);
  const before = new Set(kept);
  for (const stage of stages) {
    const hangs = stage.after.filter((one) => one.case !== undefined);
    if (stage.kind === 'stop' && hangs.length > 0 && hangs.every(({ id }) => before.has(id))) keep(stage.id);
  }
  return stages.filter(({ id }) => kept.has(id));
}

function scoreOf(metrics: Content | undefined): number {
  if (typeof metrics !== 'string') throw new Error('metrics are a text');
  return (JSON.parse(metrics) as { values: { score: number } }).values.score;
}

function objectsOf(outputs: Outputs): readonly string[] {
  return Object.values(outputs).flatMap((content) =>
    typeof content === 'string' ? [sha256(content)] : Object.values(content).map(sha256),
  );
}
