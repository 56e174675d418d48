// Engines that are not this one: a dead one of this place, and one of another machine or container, by what they would write.
import { randomBytes } from 'node:crypto';
import type { EngineIdentity } from '../../src/process/engine-identity.ts';
import { ownProcess, placeId, type Place } from '../../src/support/own-process.ts';

/** Above every pid that Linux gives. */
const NO_PID = 2 ** 22 + 1;

export function deadEngineHere(): Required<EngineIdentity> {
  return engineAt(ownProcess().place, { pid: NO_PID, startTime: '1' });
}

/** Its pid may well be in use here: that says nothing. */
export function engineElsewhere(place: Partial<Place> = {}, pid = process.pid): Required<EngineIdentity> {
  const elsewhere = { host: 'elsewhere', boot: 'another boot', namespaces: 'pid:[4026531836]', ...place };
  return engineAt(elsewhere, { pid, startTime: ownProcess().startTime });
}

function engineAt(
  place: Place,
  { pid, startTime }: Pick<EngineIdentity, 'pid' | 'startTime'>,
): Required<EngineIdentity> {
  const token = [placeId(place), pid, startTime ?? 'x', randomBytes(4).toString('hex')].join('-');
  return { pid, startTime, token, place };
}
