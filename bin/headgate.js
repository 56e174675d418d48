#!/usr/bin/env node
// The installed command: runs the built program, or says how to build it.
import { existsSync } from 'node:fs';

const built = new URL('../dist/headgate.js', import.meta.url);
if (existsSync(built)) await import(built);
else {
  process.stderr.write('headgate: the program is not built\n  help: run `npm run build`\n');
  process.exitCode = 2;
}
