// What the kernel refuses, as a job's failure: the remedy is that of its own cause, not one of its class.
import { describe, expect, test } from 'vitest';
import { failureOf } from '../../src/backends/embedded/job-error.ts';
import { jobReasons } from '../../src/events/job-reasons.ts';
import { NetworkError } from '../../src/qat/network/network-error.ts';
import { placeQuantizers } from '../../src/qat/quantize/placement.ts';
import type { Profile } from '../../src/qat/quantize/scheme.ts';
import { smallNetwork, w4a4, w8a8 } from '../qat/networks.ts';

const network = smallNetwork();

function refusalOf(profile: Profile): ReturnType<typeof failureOf> {
  try {
    placeQuantizers(network, new Map([['detection', profile]]));
  } catch (cause) {
    return failureOf(cause);
  }
  throw new Error('nothing was refused');
}

describe('the remedy of a refusal', () => {
  test.each([
    ['a number format that the target lacks', { ...w4a4, target: 'tensorrt' }, /formats that its target has/],
    ['an exception for a layer that is not there', { ...w8a8, layers: { none: { weights: { bits: 8 } } } }, /`layers`/],
  ] as const)('is about the profile for %s, never about boundary tensors', (_what, profile, remedy) => {
    const failure = refusalOf(profile);
    expect(failure.remedy).toMatch(remedy);
    expect(failure.remedy).not.toContain('boundary');
  });

  test('is that of the reason where a cause brings none of its own', () => {
    expect(failureOf(new NetworkError('"x" is not a tensor of the model')).remedy).toBe(jobReasons.model.remedy);
  });
});
