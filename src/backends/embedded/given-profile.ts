// A profile that an earlier stage made, such as an analysis: read in place of the stage's own.
import { readFile } from 'node:fs/promises';
import type { JobRequest } from '../../events/job-protocol.ts';
import type { Profile } from '../../qat/quantize/scheme.ts';
import { isJsonObject } from '../../support/json.ts';
import type { Json } from '../../support/json.ts';
import { inputPath } from './inputs.ts';
import { JobError } from './job-error.ts';
import { settingsOf } from './settings.ts';

/** The settings with the profile of the input `profile`, where the job has one. @throws JobError when it is none. */
export async function withGivenProfile<T extends { readonly profile: Profile }>(
  request: JobRequest,
  settings: T,
): Promise<T> {
  if (request.inputs['profile'] === undefined) return settings;
  const text = await readFile(inputPath(request, 'profile'), 'utf8');
  return { ...settings, profile: profileOf(text) };
}

/** What its numbers may be is the placement's to say. */
function profileOf(text: string): Profile {
  const profile = parsed(text);
  if (isJsonObject(profile) && hasBits(profile['weights']) && hasBits(profile['activations'])) {
    const { layers = {} } = profile;
    if (isJsonObject(layers) && Object.values(layers).every(isJsonObject)) return settingsOf<Profile>(profile);
  }
  throw new JobError({
    reason: 'profile',
    message: 'input "profile" is no profile: it needs `weights.bits` and `activations.bits`',
    remedy: 'Link the `profile` output of an analyze stage, or a file in the form of schemas/profile.schema.json.',
  });
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return null;
  }
}

function hasBits(format: Json | undefined): boolean {
  return isJsonObject(format) && typeof format['bits'] === 'number';
}
