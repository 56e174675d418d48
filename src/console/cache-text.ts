// What a store holds, what of it is wrong and what of it goes, in words.
import type { Leaving } from '../store/collect.ts';
import type { Left } from '../store/leavings.ts';
import type { Verified, Wrong } from '../store/verify.ts';
import { unreachable } from '../support/result.ts';
import type { Colours } from './colours.ts';
import { byteSize, count, shortDigest } from './quantities.ts';

export interface StoreSizes {
  readonly objects: { readonly count: number; readonly bytes: number };
  readonly records: number;
  readonly runs: number;
  readonly leftovers: readonly { readonly name: string; readonly count: number; readonly bytes: number }[];
  /** An object that several share counts for each. */
  readonly groups: readonly {
    readonly workflow: string;
    readonly kind: string;
    readonly records: number;
    readonly bytes: number;
  }[];
}

export function sizesText({ objects, records, runs, leftovers, groups }: StoreSizes, { bold, dim }: Colours): string {
  const width = Math.max(0, ...groups.map(({ workflow }) => workflow.length));
  const kindWidth = Math.max(0, ...groups.map(({ kind }) => kind.length));
  return [
    `${bold(byteSize(objects.bytes))} in ${count(objects.count, 'object')}, ${count(records, 'record')}, ${count(runs, 'run')}`,
    ...groups.map(
      ({ workflow, kind, records: made, bytes }) =>
        `  ${workflow.padEnd(width)}  ${kind.padEnd(kindWidth)}  ${byteSize(bytes).padStart(8)}  ${dim(count(made, 'record'))}`,
    ),
    ...leftovers
      .filter((leftover) => leftover.count > 0)
      .map((leftover) => dim(`  ${leftover.name}: ${leftover.count}, ${byteSize(leftover.bytes)}`)),
    '',
  ].join('\n');
}

export function verifiedText(
  { objects, bytes, records, wrong, leavings }: Verified,
  repaired: boolean,
  colours: Colours,
): string {
  const looked = `${count(objects, 'object')} (${byteSize(bytes)}) and ${count(records, 'record')} read`;
  if (wrong.length === 0) return `${looked}: ${colours.green('all sound')}\n${leftText(leavings, colours)}`;
  const help = repaired
    ? 'what is gone is made again by the next run that needs it'
    : 'what is in quarantine is not used; --repair also removes what referred to it';
  return `${wrong.map((one) => `${colours.red('wrong')} ${wrongWords(one)}\n`).join('')}${looked}: ${count(wrong.length, 'problem')}\n  help: ${help}\n${leftText(leavings, colours)}`;
}

function leftText(leavings: Verified['leavings'], { dim }: Colours): string {
  if (leavings.length === 0) return '';
  const parts = Object.entries(LEFT).flatMap(([what, name]) => {
    const many = leavings.filter((left) => left.what === what).length;
    return many === 0 ? [] : [count(many, name, plural(name))];
  });
  return `${dim(`left by engines that were killed, no damage: ${parts.join(', ')}`)}\n  help: the next run and cache gc clear up\n`;
}

const LEFT: { readonly [what in Left['what']]: string } = {
  draft: 'half-written file',
  claim: 'claim',
  lock: 'lock',
  heartbeat: 'heartbeat',
  'attempt-output': 'output of an attempt',
  'torn-journal': 'journal with a torn end',
  'resume-state': 'resume state',
  delivery: 'delivery that was cut short',
};

/** "output of an attempt" → "outputs of an attempt". */
function plural(name: string): string {
  return / (of|made|with|that) /.test(name) ? name.replace(/^\w+/, '$&s') : `${name}s`;
}

function wrongWords(wrong: Wrong): string {
  switch (wrong.what) {
    case 'object-damaged':
      return `object ${shortDigest(wrong.name)} does not hold what it is named after; moved to ${wrong.movedTo}`;
    case 'not-an-object':
      return `${wrong.name} is no object; moved to ${wrong.movedTo}`;
    case 'record-damaged':
      return `record ${shortDigest(wrong.name)} is not what was written; moved to ${wrong.movedTo}`;
    case 'output-lost':
      return `record ${shortDigest(wrong.name)} (stage ${wrong.stage}): the output "${wrong.port}" is gone`;
    default:
      return unreachable(wrong);
  }
}

const NAMES: { readonly [what in Leaving['what']]: string } = {
  record: 'record',
  object: 'object',
  tree: 'folder made of objects',
  'resume-state': 'resume state',
  'attempt-output': 'output of an attempt that failed',
  'job-folder': 'job folder',
  quarantined: 'quarantined file',
};

export interface Collected {
  readonly dryRun: boolean;
  /** An age, a size or a number of runs was given. */
  readonly limited: boolean;
  /** Runs of which nobody knows yet whether they go on. */
  readonly unsure: readonly string[];
}

export function collectedText(
  leaving: readonly Leaving[],
  { dryRun, limited, unsure }: Collected,
  { bold, dim }: Colours,
): string {
  const waits = unsure.map(
    (run) => `run ${run} may still be running on another machine or in another container: what it uses stays\n`,
  );
  const again =
    unsure.length === 0
      ? ''
      : '  help: ask again in half a minute; without a sign of life until then it counts as dead\n';
  const left = `${waits.join('')}${again}`;
  const verb = dryRun ? 'would be removed' : 'removed';
  if (leaving.length === 0) {
    const help = '  help: what is less than an hour old stays, and so does what runs that go on use\n';
    return `nothing ${verb}\n${limited ? help : ''}${left}`;
  }
  const lines = Object.entries(NAMES).flatMap(([what, name]) => {
    const pieces = leaving.filter((piece) => piece.what === what);
    if (pieces.length === 0) return [];
    return [`  ${count(pieces.length, name, plural(name))}, ${byteSize(sum(pieces))}`];
  });
  const paths = dryRun ? leaving.map(({ path }) => dim(`    ${path}`)) : [];
  return `${[`${bold(byteSize(sum(leaving)))} ${verb}:`, ...lines, ...paths].join('\n')}\n${left}`;
}

function sum(pieces: readonly { readonly bytes: number }[]): number {
  return pieces.reduce((total, { bytes }) => total + bytes, 0);
}
