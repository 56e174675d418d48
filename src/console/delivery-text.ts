// What a run put where people find it, what of its results is not there and why, and what went or was moved aside.
import type { Delivery, NotDelivered } from '../execute/deliver-outputs.ts';
import type { Colours } from './colours.ts';
import { byteSize } from './quantities.ts';

export function fileLines({ files }: Delivery, { dim }: Colours): readonly string[] {
  return files.map(({ stage, port, path, bytes }) => `${stage}.${port}  ${path}  ${dim(byteSize(bytes))}`);
}

/** Names of one kind that are worth reading one by one. */
const MOST_NAMES = 5;

const WHY: { readonly [why in NotDelivered['why']]: string } = {
  'not-taken': 'a gate chose otherwise',
  failed: 'failed',
  'timed-out': 'timed out',
  blocked: 'something before it failed',
  cancelled: 'cancelled',
  pending: 'not started',
  running: 'not finished',
  damaged: 'its bytes are missing or damaged in the store; the next run makes it again',
  interrupted: 'the run was interrupted before it was copied',
};

/** One line for each reason; and one for each result of an earlier run that still lies there. */
export function notDeliveredLines({ notDelivered }: Delivery): readonly string[] {
  const reasons = [...new Set(notDelivered.map(({ why }) => why))];
  return [
    ...reasons.map((reason) => {
      const names = notDelivered.filter(({ why }) => why === reason).map(({ stage, port }) => `${stage}.${port}`);
      const more = names.length - MOST_NAMES;
      return `${names.slice(0, MOST_NAMES).join(', ')}${more > 0 ? ` and ${more} more` : ''}: ${WHY[reason]}`;
    }),
    ...notDelivered.flatMap(({ earlier }) => (earlier === undefined ? [] : [`${earlier} is of an earlier run`])),
  ];
}

export function changeLines({ removed, kept }: Delivery): readonly string[] {
  return [
    ...removed.map((path) => `removed ${path}, which an earlier run delivered and this workflow no longer gives`),
    ...kept.map(({ path, as }) =>
      as === undefined
        ? `left ${path}: it is no longer delivered, but was changed since`
        : `moved what lay at ${path} to ${as}: it was not delivered by headgate`,
    ),
  ];
}
