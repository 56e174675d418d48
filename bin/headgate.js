#!/usr/bin/env node
// The installed command: runs the built program, or says how to build it.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const built = new URL('../dist/headgate.js', import.meta.url);
if (existsSync(built)) await import(built);
else {
  const folder = fileURLToPath(new URL('..', import.meta.url));
  process.stderr.write(`headgate: the program is not built\n  help: run \`npm ci && npm run build\` in ${folder}\n`);
  process.exitCode = 2;
}
