// Number formats of a profile that its target does not have: refused before any quantiser is placed.
import { NetworkError } from '../network/network-error.ts';
import type { Profile } from './scheme.ts';
import type { TargetTable } from './targets/table.ts';

/** @throws NetworkError naming the setting that the target cannot have. */
export function refuseFormats(scope: string, profile: Profile, { target, formats }: TargetTable): void {
  const { weights, activations, firstLast, layers = {} } = profile;
  const refuse = (what: string, has: string): never => {
    throw new NetworkError(
      `scope "${scope}": target ${target} has no ${what}; it takes ${has}`,
      'Give the profile one of the formats that its target has, or another `target`.',
    );
  };
  const bits = (list: readonly number[]): string => `${list.join(', ')} bits`;
  if (!formats.weights.includes(weights.bits)) refuse(`${weights.bits}-bit weights`, bits(formats.weights));
  if (!formats.activations.includes(activations.bits))
    refuse(`${activations.bits}-bit activations`, bits(formats.activations));
  if (firstLast !== undefined && !formats.weights.includes(firstLast.bits))
    refuse(`${firstLast.bits}-bit first and last layers`, bits(formats.weights));
  for (const [layer, exception] of Object.entries(layers)) {
    for (const part of ['weights', 'activations'] as const) {
      const asked = exception[part]?.bits;
      if (asked !== undefined && !formats[part].includes(asked))
        refuse(`${asked}-bit ${part} (layer "${layer}")`, bits(formats[part]));
    }
  }
  if (activations.unsignedAfterRelu && !formats.unsigned) refuse('unsigned activations', 'signed ones only');
}
