// Damage in what decides about past runs: every byte of a journal flipped, lines lost, doubled and swapped, ends cut, blocks
// zeroed. It is told by name, nothing damaged is obeyed, and the other runs are told as ever. The short form flips one drawn
// bit of every byte; `node test/campaign/campaign.mjs seals` flips all eight.
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { compareRuns } from '../../src/compose/compare-runs.ts';
import { damageWords } from '../../src/compose/damage-words.ts';
import { findRun, findUnfinished, isTold, readRuns, type PastRun } from '../../src/compose/past-runs.ts';
import { reportOf } from '../../src/compose/told-run.ts';
import { coloursFor } from '../../src/console/colours.ts';
import { diffText } from '../../src/console/diff-text.ts';
import { runSummary } from '../../src/console/run-summary.ts';
import { runsText } from '../../src/console/runs-text.ts';
import { stageTable } from '../../src/console/stage-table.ts';
import { NOTHING_DELIVERED } from '../../src/execute/deliver-outputs.ts';
import { journalPath } from '../../src/store/journal-path.ts';
import { storeLayout } from '../../src/store/layout.ts';
import { Random } from '../../src/support/random.ts';
import { builtProgram } from '../support/built-program.ts';
import { spawnSync } from 'node:child_process';
import { sizeOf, tell, timeoutMs } from './campaign-size.ts';
import { keepResults } from './results.ts';

const seed = sizeOf('seed', 14);
const bits = sizeOf('bits', 1);
const colours = coloursFor({ isTTY: false }, {});

const METRICS = `{"format":"headgate-metrics","version":1,"task":"t","primary":"m","values":{"m":0.5},"units":{"m":"fraction"},"higherIsBetter":{"m":true}}`;
const command = (script: string, type: string, more: object = {}): object => ({
  kind: 'command',
  ...more,
  with: {
    argv: ['sh', '-c', script, '{output:out}', METRICS, { $param: 'text' }],
    outputs: { out: { type, path: 'out' } },
  },
});
const workflow = {
  name: 'small',
  params: { text: 'abcdef', least: 0.4 },
  stages: {
    measure: command('printf %s "$1" > "$0"', 'metrics'),
    check: {
      kind: 'gate',
      inputs: { metrics: 'measure.out' },
      cases: [
        { name: 'good', criteria: [{ metric: 'm', atLeast: { $param: 'least' } }] },
        { name: 'bad', else: true },
      ],
    },
    broken: command('echo "no go" >&2; exit 4', 'file', { after: 'check:good' }),
    other: command('echo x > "$0"', 'file', { after: 'check:bad' }),
  },
};

let root = '';
let journal = '';
let truth: PastRun;
/** The journal as it was written. */
let bytes: Buffer;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'headgate-seals-'));
  writeFileSync(join(root, 'w.json'), JSON.stringify(workflow));
  headgate('run', 'w.json', '--set', 'least=0.6');
  headgate('run', 'w.json');
  const found = await findRun(storeLayout(root));
  if (!found.ok) throw new Error(found.error.message);
  truth = found.value;
  journal = journalPath(truth.folder);
  bytes = readFileSync(journal);
});
afterEach(() => writeFileSync(journal, bytes));
afterAll(() => rm(root, { recursive: true, force: true }));

function headgate(...args: readonly string[]): { readonly code: number | null; readonly text: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [builtProgram, ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' },
  });
  return { code: status, text: `${stdout}${stderr}` };
}

/** What every reader says of the store; whatever is thrown is a fault. @returns what is wrong with what they say. */
async function faultsNow(isSealed: boolean): Promise<readonly string[]> {
  const faults: string[] = [];
  const layout = storeLayout(root);
  const runs = await readRuns(layout);
  const listed = runs.map((past) => ({
    run: past.run,
    running: false,
    report: isTold(past) ? reportOf(past) : undefined,
    damage: isTold(past) ? past.journal.damage && damageWords(past.journal.damage) : 'untold',
  }));
  runsText(listed, 80, colours);
  runsText(listed, 200, colours);
  const [newest, older] = listed;
  if (older?.damage !== undefined || older?.report === undefined) faults.push('the other run is not told');
  if (newest?.report !== undefined) {
    runSummary(newest.report, NOTHING_DELIVERED, colours);
    stageTable(newest.report, colours);
    if (older?.report !== undefined) diffText(compareRuns(older.report, newest.report), colours);
  }
  const [past] = runs;
  const torn = past !== undefined && isTold(past) && past.journal.tornBytes > 0;
  const isWhole = past !== undefined && isTold(past) && same(past.journal.events, truth.journal.events);
  if (isSealed && newest?.damage === undefined && !isWhole && !torn) faults.push('the damage is told by nobody');
  const resumed = await findUnfinished(layout, undefined);
  if (isSealed && resumed.ok && !same(resumed.value.started, truth.started))
    faults.push('resume obeys what is damaged');
  if (isSealed && resumed.ok && !resumed.value.journal.events.every(isOfTruth)) faults.push('a damaged event is told');
  return faults;
}

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function isOfTruth(event: { readonly seq: number }): boolean {
  return same(event, truth.journal.events[event.seq]);
}

async function tried(bytes: Buffer, what: string, isSealed = true): Promise<readonly string[]> {
  writeFileSync(journal, bytes);
  try {
    return (await faultsNow(isSealed)).map((fault) => `${what}: ${fault}`);
  } catch (error) {
    return [`${what}: ${error instanceof Error ? (error.stack ?? '') : String(error)}`];
  }
}

function flipped(bytes: Buffer, offset: number, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[offset] = (copy[offset] ?? 0) ^ (1 << bit);
  return copy;
}

/** Lines lost, doubled and swapped; ends cut; blocks zeroed and filled with what stood elsewhere. */
function* otherDamages(bytes: Buffer): Generator<readonly [string, Buffer]> {
  const lines = bytes.toString('utf8').split('\n').slice(0, -1);
  const text = (all: readonly string[]): Buffer => Buffer.from(all.map((line) => `${line}\n`).join(''));
  for (const index of lines.keys()) {
    const [line = ''] = [lines[index]];
    // A journal that ends sooner is that of a run that was killed then.
    if (index < lines.length - 1) yield [`line ${index} lost`, text(lines.toSpliced(index, 1))];
    yield [`line ${index} doubled`, text(lines.toSpliced(index, 0, line))];
    if (index > 0)
      yield [
        `lines ${index - 1} and ${index} swapped`,
        text(lines.toSpliced(index - 1, 2, line, lines[index - 1] ?? '')),
      ];
  }
  for (let start = 0; start < bytes.length; start += 64) {
    const zeroed = Buffer.from(bytes);
    zeroed.fill(0, start, Math.min(start + 64, bytes.length));
    yield [`64 bytes from ${start} zeroed`, zeroed];
    const moved = Buffer.from(bytes);
    bytes.copy(moved, start, 0, Math.min(64, bytes.length - start));
    yield [`64 bytes from ${start} written over`, moved];
  }
}

test(
  `a journal damaged at any byte (${bits} of 8 bits, seed ${seed}) is named, never obeyed, and hides no other run`,
  async () => {
    const began = performance.now();
    const random = new Random(seed);
    const faults: string[] = [];
    const counts = { flips: 0, others: 0, old: 0 };
    for (let offset = 0; offset < bytes.length; offset++) {
      for (let bit = 0; bit < bits; bit++, counts.flips++) {
        const which = bits === 8 ? bit : random.below(8);
        faults.push(...(await tried(flipped(bytes, offset, which), `bit ${which} of byte ${offset}`)));
      }
    }
    for (const [what, damaged] of otherDamages(bytes)) {
      counts.others++;
      // Cutting at a line's end leaves a journal like that of a run that was killed there.
      faults.push(...(await tried(damaged, what)));
    }
    for (let length = 0; length < bytes.length; length += 7) {
      counts.others++;
      writeFileSync(journal, bytes.subarray(0, length));
      const [past] = await readRuns(storeLayout(root));
      if (past !== undefined && isTold(past) && !past.journal.events.every(isOfTruth)) faults.push(`cut at ${length}`);
      if (past === undefined) faults.push(`cut at ${length}: the run is gone`);
    }
    // The form before there were seals: what is read of it is checked, so that no reader stumbles.
    const old = Buffer.from(`${truth.journal.events.map((event) => JSON.stringify(event)).join('\n')}\n`);
    expect(await tried(old, 'undamaged, without seals')).toEqual([]);
    for (let offset = 0; offset < old.length; offset += bits === 8 ? 1 : 5) {
      for (let bit = 0; bit < bits; bit++, counts.old++) {
        const which = bits === 8 ? bit : random.below(8);
        faults.push(...(await tried(flipped(old, offset, which), `old form, bit ${which} of byte ${offset}`, false)));
      }
    }
    const seconds = (performance.now() - began) / 1000;
    tell(`${counts.flips} flips, ${counts.others} other damages, ${counts.old} flips of the old form`);
    keepResults('seals', { seed, ...counts, seconds, faults });
    expect(faults.map((fault) => fault.slice(0, 300)).slice(0, 12)).toEqual([]);
  },
  timeoutMs,
);

test('the command line names a damaged run, tells the rest, and resumes only what is whole', () => {
  const inText = bytes.indexOf('abcdef');
  writeFileSync(journal, flipped(bytes, inText, 0));
  const listed = headgate('runs');
  expect([listed.code, listed.text]).toEqual([0, expect.stringContaining(`${truth.run} is damaged`) as string]);
  expect((JSON.parse(headgate('runs', '--json').text) as { damaged?: string }[])[0]?.damaged).toContain(
    'not what was written',
  );
  const told = headgate('status');
  expect([told.code, told.text]).toEqual([0, expect.stringContaining('has lost its beginning') as string]);
  expect(headgate('explain', 'check').text).toContain(`the journal of run ${truth.run} is damaged`);
  const refused = headgate('resume');
  expect([refused.code, refused.text]).toEqual([
    2,
    expect.stringMatching(/with which options it was started.*not known\n +help: .*headgate run/) as string,
  ]);
  expect(headgate('diff', '@2', '@1').code).toBe(2);

  const later = bytes.indexOf('gate-decided');
  writeFileSync(journal, flipped(bytes, later, 1));
  expect(headgate('diff', '@2', '@1').text).toContain('is damaged');
  const partly = headgate('status');
  expect(partly.text).toMatch(/is damaged: 1 line is not what was written \(at byte \d+\); told is only what is whole/);
  expect(headgate('cache', 'gc', '--dry-run', '--keep-runs', '1').text).toContain(
    `the journal of run ${truth.run} is damaged`,
  );
  const resumed = headgate('resume');
  expect([resumed.code, resumed.text]).toEqual([1, expect.stringContaining('its options are whole') as string]);
  expect(headgate('status').text).not.toContain('is damaged');
  expect(headgate('status').text).toContain('broken');
});
