// What every figure's command has in common: its options, a scratch folder, the circumstances noted before, the result shown
// and, with --save, put beside the others in docs/results/engine.json.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { ensureBuilt } from '../../scripts/ready.mjs';
import { cacheFolder, circumstances, project } from './project.mjs';
import { figureText } from './page-text.mjs';

export const resultsFile = join(project, 'docs', 'results', 'engine.json');

const shared = {
  save: { type: 'boolean', default: false },
  into: { type: 'string', default: resultsFile },
  scratch: { type: 'string', default: join(cacheFolder, 'scratch') },
  'no-peers': { type: 'boolean', default: false },
  only: { type: 'string' },
};

/**
 * @typedef {{
 *   key: string, number: number, title: string, target: string,
 *   options: import('node:util').ParseArgsConfig['options'],
 *   measure: (bench: Bench) => Promise<Result>,
 * }} Figure
 * @typedef {{options: any, scratch: string, say: (text: string) => void, wants: (name: string) => boolean}} Bench
 * @typedef {{
 *   met: boolean | null, headline: string, notes?: string[], loses?: string[], versions?: Record<string, string>,
 *   tables: {caption?: string, columns: string[], rows: string[][]}[], values?: unknown,
 * }} Result `met` is null where nothing was measured; `values` are the raw numbers.
 */

export function isMain(url) {
  return process.argv[1] !== undefined && pathToFileURL(process.argv[1]).href === url;
}

/** Runs a figure as its file's command. */
export async function runAlone(figure) {
  const { values: options } = parseArgs({ options: { ...shared, ...figure.options } });
  if (process.env.HEADGATE_BENCH_BIN === undefined) await ensureBuilt();
  mkdirSync(options.scratch, { recursive: true });
  const scratch = mkdtempSync(join(options.scratch, `${figure.key}-`));
  const only = options.only?.split(',');
  // The launcher of a measured process, which gets the same Ctrl-C, ends it.
  process.once('SIGINT', () => {
    rmSync(scratch, { recursive: true, force: true });
    process.exit(130);
  });
  const bench = {
    options,
    scratch,
    say: (text) => console.error(`${figure.key}: ${text}`),
    wants: (name) => (only === undefined ? !options['no-peers'] || name === 'headgate' : only.includes(name)),
  };
  try {
    const under = circumstances(scratch);
    const started = Date.now();
    const result = await figure.measure(bench);
    const { key, number, title, target } = figure;
    const record = {
      number,
      title,
      target,
      command: commandLine(),
      ...under,
      minutes: Number(((Date.now() - started) / 60_000).toFixed(1)),
      loadAfter: circumstances(scratch).load,
      ...result,
    };
    console.log(figureText(record));
    if (options.save) save(options.into, key, record);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function save(path, key, record) {
  mkdirSync(dirname(path), { recursive: true });
  const others = readResults(path);
  writeFileSync(path, `${JSON.stringify({ ...others, [key]: record }, null, 1)}\n`);
}

export function readResults(path = resultsFile) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    if (cause.code === 'ENOENT') return {};
    throw cause;
  }
}

/** As a reader would repeat it: without where the scratch folder was, and whether it was saved. */
function commandLine() {
  const [, script, ...args] = process.argv;
  const kept = [];
  for (let index = 0; index < args.length; index++) {
    if (args[index] === '--save') continue;
    if (args[index] === '--scratch' || args[index] === '--into') index++;
    else kept.push(args[index]);
  }
  return ['node', relative(project, script), ...kept].join(' ');
}
