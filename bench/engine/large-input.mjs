// Figure 3: nothing to do beside one very large input; after a `touch`, one re-hash and nothing re-run.
//
//   node bench/engine/large-input.mjs [--mebibytes 2048] [--repeat 7] [--save]
import { createHash, randomFillSync } from 'node:crypto';
import { closeSync, createReadStream, linkSync, openSync, readFileSync, utimesSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Contestant, contestants, doubt, inTurns, lastWrite } from './contest.mjs';
import { isMain, runAlone } from './figure.mjs';
import { measureSuccess } from './measure.mjs';
import { median, seconds } from './stats.mjs';
import { headgate } from './tools/headgate.mjs';
import { makeStages } from './workload.mjs';

const SOURCE = 'checkpoint.bin';

export const largeInput = {
  key: 'large-input',
  number: 3,
  title: 'One 2 GiB input',
  target: 'nothing to do at most 300 ms; after `touch` one re-hash and nothing re-run.',
  options: {
    mebibytes: { type: 'string', default: '2048' },
    repeat: { type: 'string', default: '7' },
  },
  async measure(bench) {
    const { options, scratch, say } = bench;
    const field = contestants(bench);
    const workload = makeStages({ stages: 3, shape: 'chain', source: SOURCE });
    const ready = field.tools.map((tool) => new Contestant(tool, scratch, workload));
    // One file for all: eight of them would not stay in memory, and the disk would be measured.
    const source = join(scratch, SOURCE);
    writeLarge(source, +options.mebibytes);
    for (const one of ready) {
      await one.attempt(async () => {
        one.write((folder) => linkSync(source, join(folder, SOURCE)));
        await one.run({ jobs: 2 });
        await one.run({ jobs: 2 });
        one.written = lastWrite(one);
      });
      say(`${one.name}: ${one.trouble ?? 'made ready'}`);
    }
    await inTurns(ready, +options.repeat, (one) => one.run());
    for (const one of ready) one.trouble ??= doubt(one, one.written);
    for (const one of ready) {
      one.touched = await one.attempt(() => runTouched(one));
      if (one.touched !== undefined) one.reran = doubt(one, one.written) !== undefined;
      one.stop();
      say(`${one.name}: ${one.trouble ?? `${seconds(one.summary.median)}, touched ${seconds(one.touched.ms)}`}`);
    }
    const mine = ready.find(({ name }) => name === 'headgate');
    const rehashed = await bytesRead(mine);
    const bareMs = await bareHash(join(mine.folder, SOURCE));
    return conclude(ready, { options, field, rehashes: rehashed / (+options.mebibytes * 2 ** 20), bareMs });
  },
};

function runTouched(one) {
  touch(one);
  return one.run();
}

function touch({ folder }) {
  const now = new Date();
  utimesSync(join(folder, SOURCE), now, now);
}

/** Bytes that headgate reads when the file was touched, less those it reads when it was not: the kernel counts them. */
async function bytesRead(one) {
  const counted = async () => {
    const log = join(one.folder, '..', 'bytes-read.txt');
    const preload = new URL('preload/count-bytes.mjs', import.meta.url).href;
    await measureSuccess(headgate.argv({}), {
      cwd: one.folder,
      env: { NODE_OPTIONS: `--import ${preload}`, HEADGATE_BENCH_COUNT: log },
    });
    return Number(readFileSync(log, 'utf8'));
  };
  // The others touched the same file since.
  await one.run();
  const idle = await counted();
  touch(one);
  return (await counted()) - idle;
}

async function bareHash(path) {
  const started = performance.now();
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), createHash('sha256'));
  return performance.now() - started;
}

/** A first line that a shell can read, then bytes that do not compress. */
function writeLarge(path, mebibytes) {
  const file = openSync(path, 'w');
  const block = randomFillSync(Buffer.alloc(2 ** 20));
  const line = 'seed of the workload\n';
  block.write(line, 0, 'latin1');
  for (let index = 0; index < mebibytes; index++) {
    writeSync(file, block);
    block.writeUInt32LE(index, line.length);
  }
  closeSync(file);
}

function conclude(ready, { options, field, rehashes, bareMs }) {
  const mine = ready.find(({ name }) => name === 'headgate');
  if (mine.trouble !== undefined) throw new Error(mine.trouble);
  const faster = ready.filter(({ name, summary }) => name !== 'headgate' && summary.median < mine.summary.median);
  return {
    met: mine.summary.median <= 300 && !mine.reran && rehashes > 0.9 && rehashes < 1.1,
    headline: `${seconds(mine.summary.median)} with nothing to do; after touch ${seconds(mine.touched.ms)}, the file read ${rehashes.toFixed(2)} times, ${mine.reran ? 'stages ran again' : 'nothing ran'}.`,
    tables: [
      {
        columns: ['tool', 'nothing to do: median (smallest to largest)', 'after touch', 'ran again after touch'],
        rows: ready.map(({ name, trouble, summary, touched, reran }) => [
          name,
          trouble ?? `${seconds(summary.median)} (${seconds(summary.min)} to ${seconds(summary.max)})`,
          seconds(touched?.ms),
          reran === undefined ? '–' : reran ? 'yes' : 'no',
        ]),
      },
    ],
    versions: field.versions,
    notes: [
      `A bare SHA-256 of the ${options.mebibytes} MiB in Node takes ${seconds(bareMs)}; bytes read are the kernel's count for the engine's process (rchar).`,
      'Snakemake looks at times only: whatever has a newer input runs again.',
      ...field.missing,
    ],
    loses: faster.map(({ name }) => `${name} is faster when there is nothing to do`),
    values: {
      rehashes,
      bareMs,
      medianMs: median(mine.runs.map(({ ms }) => ms)),
      tools: ready.map(({ name, trouble, summary, touched, reran }) => ({
        name,
        trouble,
        summary,
        touchedMs: touched?.ms,
        reran,
      })),
    },
  };
}

if (isMain(import.meta.url)) await runAlone(largeInput);
