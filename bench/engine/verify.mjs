// Figure 6, its cost: an object of the store read and checked before use, against a plain copy of the same bytes, in turns in
// one process. Headgate itself copies nothing for a job: it checks an object and hands out its path, or hard links to it.
//
//   node bench/engine/verify.mjs [--mebibytes 512] [--repeat 7] [--save]
import { build } from 'esbuild';
import { randomBytes } from 'node:crypto';
import { copyFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isMain, runAlone } from './figure.mjs';
import { project } from './project.mjs';
import { millis, summarise } from './stats.mjs';

const SMALL_FILES = 2000;
const SMALL_BYTES = 32 * 1024;
const LIMIT = 1.15;

export const verify = {
  key: 'verify',
  number: 6,
  title: 'Verification on read',
  target: 'at most 15 % over a plain copy.',
  options: { mebibytes: { type: 'string', default: '512' }, repeat: { type: 'string', default: '7' } },
  async measure({ options, scratch, say }) {
    const { openStore } = await storeModule();
    const [file, folder, copy] = ['file', 'folder', 'copy'].map((name) => join(scratch, name));
    const part = randomBytes(2 ** 20);
    for (let count = 0; count < +options.mebibytes; count++) writeFileSync(file, part, { flag: 'a' });
    mkdirSync(folder);
    for (let index = 0; index < SMALL_FILES; index++)
      writeFileSync(join(folder, String(index)), randomBytes(SMALL_BYTES));
    const stored = openStore(join(scratch, 'root')).objects;
    const cases = [
      [`one file of ${options.mebibytes} MiB`, await stored.putFile(file), () => copyFileSync(file, copy)],
      [
        `a folder of ${SMALL_FILES} files of ${SMALL_BYTES / 1024} KiB`,
        await stored.putTree(folder),
        () => cpSync(folder, copy, { recursive: true }),
      ],
    ];
    const results = [];
    for (const [name, object, makeCopy] of cases) {
      const [copies, checks] = [[], []];
      for (let turn = 0; turn <= +options.repeat; turn++) {
        rmSync(copy, { recursive: true, force: true });
        const copied = await timed(makeCopy);
        // Opened anew: what a process has read once it need not read again.
        const { objects } = openStore(join(scratch, 'root'));
        const checked = await timed(async () => {
          if ((await objects.verify(object)) !== 'intact') throw new Error(`${name}: damaged`);
        });
        if (turn === 0) continue; // both from the page cache after this
        copies.push(copied);
        checks.push(checked);
      }
      const ratio = summarise(checks).median / summarise(copies).median;
      say(`${name}: ${ratio.toFixed(2)}`);
      results.push({ name, copies, checks, ratio });
    }
    return conclude(results);
  },
};

async function timed(act) {
  const before = performance.now();
  await act();
  return performance.now() - before;
}

/** The engine's own store: no part of the library that is published. */
async function storeModule() {
  const outfile = join(project, 'node_modules/.cache/headgate-bench', `store-${process.pid}.mjs`);
  const entry = join(project, 'src/store/store.ts');
  await build({ entryPoints: [entry], outfile, bundle: true, packages: 'external', platform: 'node', format: 'esm' });
  try {
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(outfile);
  }
}

function conclude(results) {
  const worst = Math.max(...results.map(({ ratio }) => ratio));
  const spread = (values) => {
    const { median, min, max } = summarise(values);
    return `${millis(median)} (${millis(min)} to ${millis(max)})`;
  };
  return {
    met: worst <= LIMIT,
    headline: `${results.map(({ name, ratio }) => `${name}: ${ratio.toFixed(2)} times a copy`).join('; ')}.`,
    tables: [
      {
        columns: ['what', 'plain copy', 'verified', 'ratio of medians'],
        rows: results.map(({ name, copies, checks, ratio }) => [
          name,
          spread(copies),
          spread(checks),
          ratio.toFixed(2),
        ]),
      },
    ],
    notes: [
      'Everything from the page cache, copies without fsync: the case that is hardest for verification, since no disk hides it. A copy is `fs.copyFile` or `fs.cp`; where the file system can share blocks, that is no copy at all.',
    ],
    values: results,
  };
}

if (isMain(import.meta.url)) await runAlone(verify);
