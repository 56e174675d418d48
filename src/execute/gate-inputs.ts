// What a gate judges, read from its inputs: its own evaluation sets, or with policy "all" every peer; earlier iterations.
import type { StageFailure } from '../events/failures.ts';
import { iterationAndSet, peerAndSet } from '../plan/evaluation-sets.ts';
import type { GateSettings } from '../plan/plan.ts';
import { isDigest } from '../support/digest.ts';
import type { JsonObject } from '../support/json.ts';
import { err, ok, type Result } from '../support/result.ts';
import type { ResolvedInput } from './edges.ts';
import { chosenCase, type Decided, type EvaluationSet, type GateSubject } from './gate.ts';
import type { MetricsDocument } from './metrics-document.ts';
import { readMetrics, type LostInput, type Texts } from './read-metrics.ts';

type Read<T> = Promise<Result<T, StageFailure | LostInput>>;

export async function gateSubjects(
  texts: Texts,
  settings: GateSettings,
  inputs: readonly ResolvedInput[],
): Read<readonly GateSubject[]> {
  const peers = settings.policy === 'all' ? membersOf(inputs, 'peers') : [];
  if (peers.length > 0) return peerSubjects(texts, peers, inputs);
  if (membersOf(inputs, 'metrics').length === 0)
    return membersOf(inputs, 'verdicts').length === 0 ? err(NO_METRICS) : ok([]);
  const own = await ownSubject(texts, inputs);
  return own.ok ? ok([own.value]) : own;
}

/** Every peer on its one set, or on all those that the gate's own metrics have names for. */
async function peerSubjects(
  texts: Texts,
  peers: readonly Member[],
  inputs: readonly ResolvedInput[],
): Read<readonly GateSubject[]> {
  const references = new Map(membersOf(inputs, 'peerReferences').map(({ key, input }) => [key, input]));
  const named = membersOf(inputs, 'metrics').some(({ key }) => key !== undefined);
  const setsOf = new Map<string, EvaluationSet[]>();
  for (const { key = '', input } of peers) {
    const { peer, set: name } = (named ? peerAndSet(key) : undefined) ?? { peer: key, set: undefined };
    const set = await readSet(texts, name, input, references.get(key));
    if (!set.ok) return set;
    setsOf.set(peer, [...(setsOf.get(peer) ?? []), set.value]);
  }
  return ok([...setsOf.values()].map(subjectOf));
}

/** What the gates chose whose verdicts are read; a single one has the key ''. */
export async function decidedBefore(texts: Texts, inputs: readonly ResolvedInput[]): Read<Decided> {
  const decided: { [key: string]: string } = {};
  for (const { key = '', input } of membersOf(inputs, 'verdicts')) {
    const { digest } = input.output;
    const text = isDigest(digest) ? await texts.readText(digest) : undefined;
    if (text === undefined) return err({ reason: 'input-lost', input });
    decided[key] = chosenCase(JSON.parse(text) as JsonObject);
  }
  return ok(decided);
}

const NO_METRICS: StageFailure = { reason: 'settings-invalid', problem: 'a gate needs the input "metrics"' };

async function ownSubject(texts: Texts, inputs: readonly ResolvedInput[]): Read<GateSubject> {
  const references = new Map(membersOf(inputs, 'reference').map(({ key, input }) => [key, input]));
  const earlier = earlierMetrics(inputs);
  const sets: EvaluationSet[] = [];
  for (const { key, input } of membersOf(inputs, 'metrics')) {
    const set = await readSet(texts, key, input, references.get(key));
    if (!set.ok) return set;
    const history: MetricsDocument[] = [];
    for (const one of earlier.filter((item) => item.set === key)) {
      const read = await readMetrics(texts, one.input);
      if (!read.ok) return read;
      history.push(read.value);
    }
    sets.push({ ...set.value, history });
  }
  return ok({ ...subjectOf(sets), iteration: new Set(earlier.map(({ iteration }) => iteration)).size });
}

/** In the order of the iterations. */
function earlierMetrics(inputs: readonly ResolvedInput[]) {
  return membersOf(inputs, 'history')
    .map(({ key = '', input }) => ({ ...iterationAndSet(key), input }))
    .sort((left, right) => left.iteration - right.iteration);
}

/** The head's name comes from the artifact, not from the stage: gates with equal numbers share one record. */
function subjectOf(sets: readonly EvaluationSet[]): GateSubject {
  return { head: sets[0]?.metrics.fact.task ?? '', sets };
}

async function readSet(
  texts: Texts,
  name: string | undefined,
  metrics: ResolvedInput,
  reference: ResolvedInput | undefined,
): Read<EvaluationSet> {
  const own = await readMetrics(texts, metrics);
  if (!own.ok) return own;
  const set = { ...(name === undefined ? {} : { name }), metrics: own.value };
  if (reference === undefined) return ok(set);
  const other = await readMetrics(texts, reference);
  return other.ok ? ok({ ...set, reference: other.value }) : other;
}

interface Member {
  /** Undefined for a single artifact. */
  readonly key: string | undefined;
  readonly input: ResolvedInput;
}

/** The artifact of a port, or those of its collection. */
function membersOf(inputs: readonly ResolvedInput[], port: string): Member[] {
  return inputs.flatMap((input): readonly Member[] => {
    if (input.port === port) return [{ key: undefined, input }];
    const inside = input.port.startsWith(`${port}[`) && input.port.endsWith(']');
    return inside ? [{ key: input.port.slice(port.length + 1, -1), input }] : [];
  });
}
