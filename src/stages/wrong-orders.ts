// Orders of stages that the workflow alone shows to be wrong: a head on another backbone than the one it was made on, scopes
// and profiles that do not belong together, batch norm trained after it was folded away. Each is told only where it holds
// whichever branch is taken, or for the branch where it does. Jobs refuse the same, and what only their files show.
import { canonicalJson } from '../support/canonical-json.ts';
import { headOfTask, profileSettings } from './port-types.ts';
import type { ArrivalFinding, Member, Producer, Producers, ResolvedTask, StageContext } from './stage-kind.ts';

export const BACKBONE: Member = { port: 'backbone' };
export const HEAD: Member = { port: 'head' };
const PROFILE: Member = { port: 'profile' };

/** The right kind of checkpoint, but of another head. */
export function otherHead(
  producers: Producers,
  member: Member,
  task: ResolvedTask | undefined,
): readonly ArrivalFinding[] {
  const head = task === undefined ? undefined : headOfTask(task);
  return producers.of(member).flatMap((arriving): readonly ArrivalFinding[] => {
    const { head: held } = arriving.output.holds ?? {};
    if (held === undefined || head === undefined || held === head) return [];
    const message = `input "${textOf(member)}" takes head "${head}", but ${arriving.name} is head "${held}"`;
    return [
      {
        arriving,
        path: [],
        message,
        help: 'every head has weights of its own: name the instance or member of this one',
      },
    ];
  });
}

/** @param does what the stage does with a head on its own backbone: `trained`, `measured`. */
export function otherBackbone(producers: Producers, member: Member, does: string): readonly ArrivalFinding[] {
  return producers.of(member).flatMap((arriving): readonly ArrivalFinding[] => {
    const made = backboneUnder(arriving);
    const own = producers.of(BACKBONE, arriving);
    if (made.length === 0 || own.length === 0) return [];
    if (made.some((one) => own.some((other) => one.mayEqual(other)))) return [];
    const here = namesOf(own);
    return [
      {
        arriving,
        path: [],
        message: `${arriving.name} was made on the backbone ${namesOf(made)}, but is ${does} on ${here}`,
        help: `a head's scales are those of the features it saw: finish the backbone first, then calibrate the head on ${here}`,
      },
    ];
  });
}

/** Batch norm that is to be trained where no layer has one any more. */
export function foldedBefore(
  { settings: { bn } }: StageContext,
  producers: Producers,
  member: Member,
): readonly ArrivalFinding[] {
  if (bn !== 'train' && bn !== 'kept') return [];
  return producers.of(member).flatMap((arriving): readonly ArrivalFinding[] => {
    const folding = foldingBehind(arriving);
    if (folding === undefined) return [];
    const message = `"bn": "${bn}" trains batch norms that ${folding.name} has folded away, layer by layer with the statistics of its batches`;
    return [{ arriving, path: ['bn'], message, help: 'go on with "folded" or "frozen", or fold in the last QAT only' }];
  });
}

/** QAT in another number format than the scales that it starts from. */
export function otherProfile(context: StageContext, producers: Producers, member: Member): readonly ArrivalFinding[] {
  return producers.of(member).flatMap((arriving): readonly ArrivalFinding[] => {
    if (arriving.output.holds?.profiled !== true) return [];
    const [before, here] = [arriving.inputs.of(PROFILE), producers.of(PROFILE, arriving)];
    const [own, its] = [context, arriving.context].map((one) => canonicalJson(profileSettings(one)));
    const given = before.length > 0 || here.length > 0;
    if (given ? before.length > 0 && here.length > 0 : own === its) return [];
    const message = `${arriving.name} has scales in ${formatText(before, its)}, but this stage works in ${formatText(here, own)}`;
    const help = given
      ? 'give both stages the same input "profile"'
      : 'scales are found in the format they are used in: give both stages the same profile';
    return [{ arriving, path: given ? [] : ['profile'], message, help }];
  });
}

function formatText(given: readonly Producer[], own: string | undefined): string {
  return given.length > 0 ? `the profile ${namesOf(given)}` : `profile ${own ?? ''}`;
}

function backboneUnder(head: Producer): readonly Producer[] {
  switch (head.output.holds?.on) {
    case 'input':
      return head.inputs.of(BACKBONE);
    case 'output':
      return [head.sibling(BACKBONE.port)].filter((found) => found !== undefined);
    case undefined:
      return [];
  }
}

/** The stage that folded, where every way that leads here passes one. */
function foldingBehind(arriving: Producer): Producer | undefined {
  let found: Producer | undefined;
  const seen = new Set<string>();
  const open = [arriving];
  for (let producer = open.pop(); producer !== undefined; producer = open.pop()) {
    if (seen.has(producer.name)) continue;
    seen.add(producer.name);
    const { folded = false, from } = producer.output.holds ?? {};
    if (folded) found ??= producer;
    else {
      const before = from === undefined ? [] : producer.inputs.of(from);
      if (before.length === 0) return undefined;
      open.push(...before);
    }
  }
  return found;
}

export function textOf({ port, key }: Member): string {
  return key === undefined ? port : `${port}[${key}]`;
}

export function namesOf(producers: readonly Producer[]): string {
  return producers.map(({ name }) => name).join(' or ');
}
