// `npm run demo`: from a fresh clone to the whole strategy on FashionScenes. Arguments are passed on to `headgate run`,
// for example `npm run demo -- --set profile=w4a4`.
import { join } from 'node:path';
import { root } from './places.mjs';
import { ensureBuilt, ensureInstalled, requireNode, run } from './ready.mjs';

requireNode();
await ensureInstalled();
await ensureBuilt();
const args = [
  'run',
  'workflows/fashion-scenes.json',
  '--params',
  'workflows/params/demo.json',
  ...process.argv.slice(2),
];
process.exitCode = await run(process.execPath, [join(root, 'bin', 'headgate.js'), ...args], { stdio: 'inherit' });
