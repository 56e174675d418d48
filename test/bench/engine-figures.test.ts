// Every benchmark command, as small as it gets and without peers: that it runs, and that the page can be made of what it saves.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Installation } from '../e2e/installation.ts';

const project = join(import.meta.dirname, '../..');
let installation: Installation;
let folder: string;

beforeAll(async () => {
  installation = await Installation.build();
  folder = await mkdtemp(join(tmpdir(), 'headgate-bench-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await installation.remove();
});

async function bench(script: string, ...args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [join(project, 'bench/engine', script), ...args], {
    cwd: folder,
    env: { ...process.env, HEADGATE_BENCH_BIN: installation.program },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part: string) => (output += part));
  const [exitCode] = (await once(child, 'close')) as [number | null];
  expect(exitCode, output).toBe(0);
  return output;
}

const figures = {
  'no-op': ['--stages', '3', '--large', '4', '--repeat', '1'],
  'deep-chain': ['--stages', '3', '--deep', '4', '--repeat', '1'],
  'large-input': ['--mebibytes', '4', '--repeat', '1'],
  cold: ['--stages', '3', '--trial', '2', '--repeat', '1'],
  sharing: ['--heads', '1'],
  watch: ['--edits', '3', '--burst', '20', '--slow', '2', '--stages', '3'],
  threshold: ['--repeat', '1', '--shortest'],
  'main-loop': ['--epochs', '2', '--shortest'],
} as const;

it.each(Object.entries(figures))(
  '%s measures headgate and says what came out',
  async (name, args) => {
    const common = [
      '--no-peers',
      '--save',
      '--into',
      join(folder, 'engine.json'),
      '--scratch',
      join(folder, 'scratch'),
    ];
    const output = await bench(`${name}.mjs`, ...args, ...common);
    expect(output).toMatch(/^- Result: .* \*\*(?:Met|Not met)\.\*\*$/m);
    expect(output).not.toMatch(/NaN|undefined/);
  },
  180_000,
);

it('makes one page of everything that was saved', async () => {
  await bench('page.mjs', '--from', join(folder, 'engine.json'));
  const page = await readFile(join(folder, 'engine.md'), 'utf8');
  for (const number of [1, 2, 3, 4, 8, 9, 10, 11]) expect(page).toMatch(new RegExp(`^## ${number}\\. `, 'm'));
});
