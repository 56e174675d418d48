// headgate cache ls | verify | gc: what the store holds, whether it is sound, and what of it may go.
import { join } from 'node:path';
import { damageWords } from '../../compose/damage-words.ts';
import { isTold, readRuns } from '../../compose/past-runs.ts';
import { collectedText, sizesText, verifiedText, type StoreSizes } from '../../console/cache-text.ts';
import { coloursFor } from '../../console/colours.ts';
import { collect, planCollection, type CollectOptions } from '../../store/collect.ts';
import { unsureRuns } from '../../store/runs.ts';
import { openStore, type Store } from '../../store/store.ts';
import { storeTimeMs } from '../../store/store-time.ts';
import { namesIn, pieceAt, surveyStore, type Survey } from '../../store/survey.ts';
import { verifyStore } from '../../store/verify.ts';
import { jsonText } from '../../support/json.ts';
import { printJson, refuse, type ExitCode, type Terminal } from '../terminal.ts';

interface CacheOptions {
  readonly root?: string;
  readonly json?: boolean;
}

export interface VerifyOptions extends CacheOptions {
  readonly repair?: boolean;
}

export interface GcOptions extends CacheOptions {
  readonly olderThan?: string;
  readonly maxSize?: string;
  readonly keepRuns?: number;
  readonly dryRun?: boolean;
}

export async function listCache(terminal: Terminal, options: CacheOptions): Promise<ExitCode> {
  const store = openStore(options.root ?? '.');
  const sizes = sizesOf(store, await surveyStore(store));
  if (options.json === true) printJson(terminal, sizes);
  else terminal.stdout.write(sizesText(sizes, coloursFor(terminal.stdout, terminal.env)));
  return 0;
}

/** Exit code 1 when something was wrong, repaired or not. */
export async function verifyCache(terminal: Terminal, options: VerifyOptions): Promise<ExitCode> {
  const verified = await verifyStore(openStore(options.root ?? '.'), options.repair === true);
  if (options.json === true) printJson(terminal, verified);
  else {
    const colours = coloursFor(terminal.stdout, terminal.env);
    terminal.stdout.write(verifiedText(verified, options.repair === true, colours));
  }
  return verified.wrong.length > 0 ? 1 : 0;
}

export async function collectCache(terminal: Terminal, options: GcOptions): Promise<ExitCode> {
  const olderThanMs = options.olderThan === undefined ? undefined : parseAge(options.olderThan);
  if (options.olderThan !== undefined && olderThanMs === undefined) {
    return refuse(terminal, `--older-than ${options.olderThan} is no age`, 'for example 30d, 12h or 90m');
  }
  const maxBytes = options.maxSize === undefined ? undefined : parseSize(options.maxSize);
  if (options.maxSize !== undefined && maxBytes === undefined) {
    return refuse(terminal, `--max-size ${options.maxSize} is no size`, 'for example 10GB, 500MB or 2.5GiB');
  }
  const limits: CollectOptions = {
    ...(olderThanMs === undefined ? {} : { olderThanMs }),
    ...(maxBytes === undefined ? {} : { maxBytes }),
    ...(options.keepRuns === undefined ? {} : { keepRuns: options.keepRuns }),
  };
  const store = openStore(options.root ?? '.');
  const dryRun = options.dryRun === true;
  await nameDamagedRuns(terminal, store);
  const leaving = await planCollection(store, limits, storeTimeMs(store.layout));
  if (!dryRun) await collect(store, leaving);
  const unsure = await unsureRuns(store.layout);
  if (options.json === true) printJson(terminal, { dryRun, leaving, unsure });
  else {
    const limited = Object.keys(limits).length > 0;
    terminal.stdout.write(
      collectedText(leaving, { dryRun, limited, unsure }, coloursFor(terminal.stdout, terminal.env)),
    );
  }
  return 0;
}

/** What such a run used is not fully known: it counts as having used all that was there. */
async function nameDamagedRuns({ stderr }: Terminal, { layout }: Store): Promise<void> {
  for (const past of await readRuns(layout)) {
    const damage = isTold(past) ? past.journal.damage : past.damage;
    if (damage === undefined) continue;
    stderr.write(
      `headgate: the journal of run ${past.run} is damaged (${damageWords(damage)}): it counts as having used every result that was there; to let them go, remove ${past.folder}\n`,
    );
  }
}

const MILLISECONDS: { readonly [unit: string]: number } = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
const BYTES: { readonly [unit: string]: number } = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

function parseAge(text: string): number | undefined {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([mhdw])$/.exec(text) ?? [];
  return number === undefined ? undefined : Number(number) * (MILLISECONDS[unit ?? ''] ?? 0);
}

function parseSize(text: string): number | undefined {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([kKMGT]?i?B)$/.exec(text) ?? [];
  const factor = BYTES[unit ?? ''];
  return number === undefined || factor === undefined ? undefined : Number(number) * factor;
}

function sizesOf({ layout }: Store, { objects, records, runs }: Survey): StoreSizes {
  const workflowOf = new Map(runs.map(({ run, workflow }): [string, string] => [run, workflow]));
  const groups = new Map<string, { workflow: string; kind: string; records: number; objects: Set<string> }>();
  for (const { record, objects: used } of records.values()) {
    const workflow = workflowOf.get(record.madeBy.run) ?? '(a run that is gone)';
    const kind = jsonText(record.preImage['kind']);
    const name = JSON.stringify([workflow, kind]);
    const group = groups.get(name) ?? { workflow, kind, records: 0, objects: new Set() };
    groups.set(name, group);
    group.records++;
    for (const digest of used) group.objects.add(digest);
  }
  const bytesOf = (digests: Iterable<string>): number => {
    let bytes = 0;
    for (const digest of digests) bytes += pieceBytes.get(digest) ?? 0;
    return bytes;
  };
  const pieceBytes = new Map<string, number>([...objects].map(([digest, { bytes }]) => [digest, bytes]));
  const leftover = (name: string, paths: readonly string[]): StoreSizes['leftovers'][number] => ({
    name,
    count: paths.length,
    bytes: paths.reduce((sum, path) => sum + (pieceAt(path)?.bytes ?? 0), 0),
  });
  const within = (folder: string): readonly string[] => namesIn(folder).map((name) => join(folder, name));
  return {
    objects: { count: objects.size, bytes: bytesOf(objects.keys()) },
    records: records.size,
    runs: runs.length,
    leftovers: [
      leftover('resume states', within(layout.resume)),
      leftover(
        'job folders',
        runs.flatMap(({ folder }) => within(join(folder, 'jobs'))),
      ),
      leftover('in quarantine', within(layout.quarantine)),
      leftover('drafts', within(layout.drafts)),
    ],
    groups: [...groups.values()]
      .map(({ workflow, kind, records: made, objects: used }) => ({
        workflow,
        kind,
        records: made,
        bytes: bytesOf(used),
      }))
      .sort((left, right) => right.bytes - left.bytes),
  };
}
