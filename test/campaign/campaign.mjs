// One campaign at full size: `node test/campaign/campaign.mjs crash [--kills 1000] [--seed 7] [--world 12]`. The tests of the
// same names are their short forms. Results go to docs/results/campaign.json and, as a page, to docs/results/campaign.md.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { circumstances } from '../../bench/engine/project.mjs';
import { campaignPage } from './campaign-page.mjs';

const root = join(import.meta.dirname, '../..');
const SIZES = {
  crash: { kills: 1000 },
  flips: { damages: 1000 },
  seals: { bits: 8 },
  mutations: { mutations: 10_000 },
  concurrency: { rounds: 60 },
  namespaces: { rounds: 120 },
  freeze: { mutations: 200, clean: 20 },
};
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: Object.fromEntries(
    ['kills', 'damages', 'mutations', 'rounds', 'clean', 'bits', 'seed', 'world'].map((name) => [
      name,
      { type: 'string' },
    ]),
  ),
});
const [campaign] = positionals;
if (!(campaign in SIZES)) {
  process.stderr.write(`campaigns: ${Object.keys(SIZES).join(', ')}\n`);
  process.exit(2);
}
const results = join(root, 'docs/results/campaign.json');
const numbers = Object.fromEntries(Object.entries(values).map(([name, text]) => [name, Number(text)]));
// One world, or a part of a campaign, is for looking for a cause: its numbers are nobody's results.
const kept = values.world === undefined ? results : undefined;
const command = ['node test/campaign/campaign.mjs', ...process.argv.slice(2)].join(' ');
const under = { command, ...circumstances(tmpdir()) };
const size = { ...SIZES[campaign], ...numbers, results: kept, under };
const { status } = spawnSync('npx', ['vitest', 'run', `test/campaign/${campaign}.test.ts`], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, HEADGATE_CAMPAIGN_SIZE: JSON.stringify(size) },
});
if (existsSync(results))
  writeFileSync(results.replace(/json$/, 'md'), campaignPage(JSON.parse(readFileSync(results, 'utf8'))));
process.exit(status ?? 1);
