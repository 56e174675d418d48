// The self-test of the training graph, held against rules that are wrong: it names the tensor.
import { afterEach, describe, expect, it } from 'vitest';
import { gradients } from '../../src/backends/embedded/self-tests/gradients.ts';
import type { Finding, Subject } from '../../src/backends/embedded/self-tests/self-test.ts';
import { gradientRules } from '../../src/qat/autodiff/registry.ts';
import type { GradientRule } from '../../src/qat/autodiff/rule.ts';
import { calibrate, floatScopes, quantisedScopes } from '../qat/checkpoints.ts';
import { BATCH, randomBatch, smallNetwork, w8a8 } from '../qat/networks.ts';

const network = smallNetwork();
const registry = gradientRules as Map<string, GradientRule>;
const kept = new Map(registry);
afterEach(() => {
  for (const [name, rule] of kept) registry.set(name, rule);
});

/** Every gradient of the operator is `factor` of what it should be. */
function falsify(name: string, factor: number): void {
  const rule = kept.get(name);
  if (rule?.kind !== 'gradient') throw new Error(`no rule of ${name}`);
  const backward: typeof rule.backward = (context) =>
    rule
      .backward(context)
      .map((one) => (one === undefined ? undefined : context.b.emit('Mul', [one, context.b.scalar(factor)])));
  registry.set(name, { ...rule, backward });
}

function check(scopes: Subject['scopes'] = floatScopes(network)): Promise<Finding> {
  const images = randomBatch(3).get(network.input.name);
  return gradients({
    network,
    scopes,
    images,
    batch: BATCH,
    task: { name: 'segmentation' },
    request: { threads: 1 },
  } as Subject);
}

describe('the self-test of gradients', () => {
  it('holds, and says how many tensors it could measure', async () => {
    const { held, text } = await check();
    expect([held, text]).toEqual([true, expect.stringMatching(/^gradients of [1-9]\d* of \d+ tensors agree/)]);
  });

  it('is of the float graph, whatever state the scopes are in', async () => {
    const calibrated = quantisedScopes(await calibrate(network, w8a8));
    expect((await check(calibrated)).held).toBe(true);
  });

  it.each(['Conv', 'Relu', 'Add'])('names a tensor where the rule of %s gives a tenth too much', async (name) => {
    falsify(name, 1.1);
    const { held, text } = await check();
    expect([held, text]).toEqual([
      false,
      expect.stringMatching(/^the gradient of "\S+" says that the loss changes by/),
    ]);
  });
});
