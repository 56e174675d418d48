// `npm run check`: installs, builds, checks types, format and lint, then runs all tests, whose counts come last.
// Every check runs even if another failed, so that one run shows everything.
import { ensureBuilt, ensureInstalled, packageBin, requireNode, run, say } from './ready.mjs';

requireNode();
await ensureInstalled();
await ensureBuilt();

// For .ci/run, which adds up counts: the runner's own report, as JSON.
const report = process.env.HEADGATE_TEST_REPORT;
const reporters = report === undefined ? [] : ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];

/** They print only where something is wrong, and are single-threaded: they run side by side. */
const readings = [
  ['types', 'typescript', 'tsc', ['--noEmit', '-p', 'tsconfig.json']],
  ['format', 'prettier', 'prettier', ['--check', '--log-level', 'warn', '.']],
  ['lint', 'eslint', 'eslint', ['.', '--max-warnings', '0']],
];
const tests = ['tests', 'vitest', 'vitest', ['run', ...reporters]];

const failed = [];
say('checking types, format and lint …');
await Promise.all(readings.map(check));
say('checking tests …');
await check(tests);
if (failed.length > 0) {
  say(`failed: ${failed.join(', ')}`);
  process.exitCode = 1;
}

async function check([name, library, bin, args]) {
  const code = await run(process.execPath, [packageBin(library, bin), ...args], { stdio: 'inherit' });
  if (code === 130) process.exit(130);
  if (code !== 0) failed.push(name);
}
