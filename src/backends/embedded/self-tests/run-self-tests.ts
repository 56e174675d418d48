// The self-tests that a `validate` stage may be asked for, by name; all of them run, then the first that failed fails the stage.
import { evaluationBatches, ImageBatcher } from '../../../data/batches.ts';
import type { JsonObject } from '../../../support/json.ts';
import { JobError } from '../job-error.ts';
import type { SelfTestName } from '../settings.ts';
import { exported } from './exported.ts';
import { fakeQuant } from './fake-quant.ts';
import { gradients } from './gradients.ts';
import { freezeProof, loadOrder } from './guards.ts';
import { memory } from './memory.ts';
import type { Finding, SelfTest, Subject } from './self-test.ts';
import { floatIdentity, stateOrder, validationTwice } from './states.ts';
import { zeroLearningRate } from './zero-learning-rate.ts';

const selfTests: { readonly [name in SelfTestName]: SelfTest } = {
  'validation-twice': validationTwice,
  'state-order': stateOrder,
  'float-identity': floatIdentity,
  'fake-quant': fakeQuant,
  'zero-learning-rate': zeroLearningRate,
  gradients,
  'freeze-proof': freezeProof,
  'load-order': loadOrder,
  memory,
  export: exported,
};

/**
 * Each is told in a proof.
 * @returns name → what was found, for the stage's report.
 * @throws JobError 'self-test-failed' naming the test and the first thing that is wrong.
 */
export async function runSelfTests(
  names: readonly SelfTestName[],
  given: Omit<Subject, 'images'>,
): Promise<{ readonly [name: string]: JsonObject }> {
  const { context, dataset, batch, task } = given;
  const indices = evaluationBatches(dataset.count, batch)[0]?.indices ?? new Uint32Array(0);
  const subject: Subject = { ...given, images: new ImageBatcher(dataset).images(indices) };
  const findings: { [name: string]: Finding & JsonObject } = {};
  for (const name of names) {
    const { held, text } = await selfTests[name](subject);
    findings[name] = { held, text };
    context.emit({ type: 'proof', proof: { name: 'self-test', held, text: `${task.name}, ${name}: ${text}` } });
  }
  const failed = Object.entries(findings).find(([, { held }]) => !held);
  if (failed === undefined) return findings;
  throw new JobError({
    reason: 'self-test-failed',
    message: `self-test "${failed[0]}" of task "${task.name}" failed: ${failed[1].text}`,
    remedy:
      'Nothing was published. Make the named checkpoint again; if it fails again, the fault is in headgate or in this machine.',
    details: findings,
  });
}
