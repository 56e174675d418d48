// Makes a fresh clone ready to run: the right Node, the locked packages, a current build. Each is skipped when it holds.
// Speaks on standard error, so that a program's own standard output stays clean. No third-party imports.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './places.mjs';
import { isBuilt, isInstalled, markInstalled } from './stamps.mjs';

const leastNode = [20, 19];

/** Ends the process with words when something is missing that only the user can mend. */
export function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > leastNode[0] || (major === leastNode[0] && minor >= leastNode[1])) return;
  stop(
    `Node ${leastNode.join('.')} or later is needed; this is ${process.versions.node}.`,
    'Install it from https://nodejs.org and try again.',
  );
}

export async function ensureInstalled() {
  if (isInstalled()) return;
  say('installing the locked packages (npm ci) …');
  const code = await npm(['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  if (code !== 0)
    stop(`npm ci ended with exit code ${code}.`, 'Is the npm registry reachable? `npm ci` shows the whole error.');
  markInstalled();
}

export async function ensureBuilt() {
  if (isBuilt()) return;
  say('building …');
  const code = await run(process.execPath, [join(root, 'scripts', 'build.mjs')]);
  if (code !== 0) stop('the build failed.', 'The messages above say where.');
}

/** The exit code; Ctrl-C goes to the child, which decides how to end. */
export function run(program, args, options = {}) {
  const ignore = () => {};
  process.on('SIGINT', ignore);
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: root, stdio: ['inherit', 2, 'inherit'], ...options });
    child.on('error', (cause) => {
      say(`${program} could not be started: ${cause.message}`);
      resolve(127);
    });
    child.on('exit', (code, signal) => {
      process.off('SIGINT', ignore);
      resolve(code ?? (signal === 'SIGINT' ? 130 : 1));
    });
  });
}

/** The npm that started this script, else the one on the path. */
export function npm(args) {
  const own = process.env.npm_execpath;
  if (own !== undefined && /\.c?js$/.test(own)) return run(process.execPath, [own, ...args]);
  return run('npm', args, { shell: process.platform === 'win32' });
}

export function say(text) {
  process.stderr.write(`headgate: ${text}\n`);
}

export function packageBin(name, bin = name) {
  const folder = join(root, 'node_modules', name);
  const { bin: bins } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return join(folder, typeof bins === 'string' ? bins : bins[bin]);
}

function stop(problem, help) {
  process.stderr.write(`headgate: ${problem}\n  help: ${help}\n`);
  process.exit(1);
}
