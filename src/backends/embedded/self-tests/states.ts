// Self-tests of states: a forward that runs again gives the same bits and moves nothing, a scope's state is its own whatever
// the others are in and whatever ran before, and FLOAT is the model itself.
import { compareCheckpoints, compareOutputs } from '../../../qat/freeze/compare.ts';
import { BACKBONE } from '../../../qat/network/network.ts';
import { encodeModel } from '../../../qat/onnx/codec.ts';
import { decodeCheckpoint, encodeCheckpoint, LoadError } from '../../../qat/quantize/checkpoint.ts';
import type { ScopeForward } from '../../../qat/network/reference.ts';
import { createSession } from '../../../qat/runtime/onnxruntime.ts';
import type { Tensor } from '../../../support/tensor.ts';
import { describeDifference } from '../probe.ts';
import { headOf } from '../settings.ts';
import { fails, holds, outputsOf, runOnce } from './self-test.ts';
import type { SelfTest, Subject } from './self-test.ts';

export const validationTwice: SelfTest = async (subject) => {
  const { scopes } = subject;
  const before = [...scopes.values()].map(({ checkpoint }) => copyOf(checkpoint));
  const [first, second] = [await runOnce(subject, scopes), await runOnce(subject, scopes)];
  const { differences, values } = compareOutputs(first, second);
  const [difference] = differences;
  if (difference !== undefined) return fails(`the second run gave another value at ${describeDifference(difference)}`);
  let tensors = 0;
  for (const [index, { checkpoint }] of [...scopes.values()].entries()) {
    const kept = compareCheckpoints(before[index] as typeof checkpoint, checkpoint);
    const [moved] = kept.differences;
    if (moved !== undefined) return fails(`validation moved ${describeDifference(moved)} of "${checkpoint.scope}"`);
    tensors += kept.tensors;
  }
  return holds(`${values} output values bit-equal in two runs, ${tensors} tensors unmoved`);
};

/** Of tensors of its own, so that a later change of the original shows. */
function copyOf(checkpoint: ScopeForward['checkpoint']): ScopeForward['checkpoint'] {
  const { tensors, metadata } = encodeCheckpoint(checkpoint);
  const copies = [...tensors].map(([name, tensor]) => [name, { ...tensor, data: tensor.data.slice() }] as const);
  return decodeCheckpoint({ tensors: new Map(copies), metadata });
}

export const stateOrder: SelfTest = async (subject) => {
  const own = [BACKBONE, headOf(subject.task)];
  const mixtures = mixturesOf(new Map([...subject.scopes].filter(([scope]) => own.includes(scope))));
  const forwards = await inTurn(subject, mixtures);
  const backwards = await inTurn(
    subject,
    [...mixtures].reverse().map((scopes) => new Map([...scopes].reverse())),
  );
  let values = 0;
  for (const [index, first] of forwards.entries()) {
    const second = backwards[mixtures.length - 1 - index];
    const name = [...(mixtures[index] ?? [])].map(([scope, { state }]) => `${scope} ${state}`).join(', ');
    if (first === undefined || second === undefined) {
      if (first === second) continue;
      return fails(`states ${name} were refused in one order and taken in the other`);
    }
    const comparison = compareOutputs(first, second);
    const [difference] = comparison.differences;
    if (difference !== undefined) return fails(`states ${name} depend on the order: ${describeDifference(difference)}`);
    values += comparison.values;
  }
  return holds(`${mixtures.length} mixtures of states in two orders, ${values} output values bit-equal`);
};

/** FLOAT and, where a scope has scales, VALIDATION for every scope. */
function mixturesOf(scopes: ReadonlyMap<string, ScopeForward>): readonly ReadonlyMap<string, ScopeForward>[] {
  let mixtures: ReadonlyMap<string, ScopeForward>[] = [new Map()];
  for (const [scope, { checkpoint }] of scopes) {
    const states = checkpoint.quant === undefined ? (['FLOAT'] as const) : (['FLOAT', 'VALIDATION'] as const);
    mixtures = mixtures.flatMap((mixture) =>
      states.map((state) => new Map([...mixture, [scope, { state, checkpoint }]])),
    );
  }
  return mixtures;
}

/** @returns undefined for a mixture that is refused: a quantised head on a float backbone lacks the boundary's grid. */
async function inTurn(subject: Subject, mixtures: readonly ReadonlyMap<string, ScopeForward>[]) {
  const results: (ReadonlyMap<string, Tensor> | undefined)[] = [];
  for (const scopes of mixtures) {
    try {
      results.push(await runOnce(subject, scopes));
    } catch (cause) {
      if (!(cause instanceof LoadError)) throw cause;
      results.push(undefined);
    }
  }
  return results;
}

export const floatIdentity: SelfTest = async (subject) => {
  const { network, images, request } = subject;
  const float = new Map(
    [...subject.scopes].map(([scope, { checkpoint }]) => [scope, { state: 'FLOAT' as const, checkpoint }]),
  );
  const parameters = [...float.values()].flatMap(({ checkpoint }) => [...checkpoint.parameters]);
  const outputs = outputsOf(subject, float).map((name) => ({ name, dtype: 'float32' as const }));
  const graph = { ...network.graph, initializers: new Map([...network.graph.initializers, ...parameters]), outputs };
  const session = await createSession(encodeModel(graph), { threads: request.threads, optimisation: 'disabled' });
  const own = await session.run(new Map([[network.input.name, images]]));
  await session.release();
  const { differences, values } = compareOutputs(own, await runOnce(subject, float));
  const [difference] = differences;
  if (difference !== undefined) return fails(`FLOAT is not the model itself: ${describeDifference(difference)}`);
  return holds(`${values} output values of state FLOAT bit-equal to the model's own graph`);
};
