// Loaded into engines and workers of a campaign before anything else (`node --import`): counts what they write below
// .headgate, ends them with SIGKILL at a given write (before it, or with half of its bytes written), makes the disk full from
// a given write on, and moves their wall clock. What is not named in HEADGATE_CAMPAIGN stays as it is.
//   {role: 'engine' | 'worker', crashAt?, torn?, fullAt?, note?, clock?: {offsetMs, jumpAfterMs, jumpMs}}
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { sep } from 'node:path';

const plan = JSON.parse(process.env['HEADGATE_CAMPAIGN'] ?? '{}');
const role = process.argv[1]?.endsWith(`${sep}worker.js`) ? 'worker' : 'engine';
/** Need space. */
const GROWS = new Set([
  'writeSync',
  'writeFileSync',
  'appendFileSync',
  'mkdirSync',
  'writeFile',
  'appendFile',
  'copyFile',
  'mkdir',
]);
/** Can be left half-done. */
const TEARS = new Set(['writeSync', 'writeFileSync', 'appendFileSync', 'writeFile', 'appendFile']);
const original = { writeFileSync: fs.writeFileSync, existsSync: fs.existsSync };

if (plan.clock !== undefined) moveClock(plan.clock);
if (plan.role === role && (plan.crashAt !== undefined || plan.fullAt !== undefined || plan.count)) watchWrites();

function moveClock({ offsetMs, jumpAfterMs, jumpMs }) {
  const RealDate = Date;
  const began = performance.now();
  const shift = () => offsetMs + (performance.now() - began > jumpAfterMs ? jumpMs : 0);
  globalThis.Date = class extends RealDate {
    constructor(...args) {
      if (args.length === 0) super(RealDate.now() + shift());
      else super(...args);
    }
    static now() {
      return RealDate.now() + shift();
    }
  };
}

function watchWrites() {
  let writes = 0;
  const part = (target) => {
    if (typeof target !== 'string' && !Buffer.isBuffer(target)) return 'journal'; // a descriptor that stays open
    const [, inside] = String(target).split(`${sep}.headgate${sep}`);
    return inside?.split(sep)[0];
  };
  const die = (label) => {
    // Of several workers only the first that comes to its write.
    original.writeFileSync(plan.note, label, { flag: 'wx' });
    process.kill(process.pid, 'SIGKILL');
    for (;;); // the signal is on its way
  };
  /** @returns what to do instead of the write: 'die' is not returned from, except to tear it first. */
  const at = (name, target) => {
    const where = part(target);
    if (where === undefined) return 'go';
    writes++;
    const label = `${name} ${where}`;
    if (plan.count && plan.note !== undefined) original.writeFileSync(plan.note, String(writes));
    if (plan.fullAt !== undefined && writes >= plan.fullAt && GROWS.has(name)) {
      throw Object.assign(new Error(`ENOSPC: no space left on device, ${name}`), { code: 'ENOSPC', errno: -28 });
    }
    if (writes !== plan.crashAt) return 'go';
    if (original.existsSync(plan.note)) return 'go';
    if (!plan.torn || !TEARS.has(name)) die(label);
    return () => die(`torn ${label}`);
  };
  const half = (content) => {
    const bytes = Buffer.from(content);
    return bytes.subarray(0, Math.floor(bytes.length / 2));
  };
  const wrapSync = (name) => {
    const real = fs[name];
    fs[name] = (target, ...args) => {
      const then = at(name, target);
      if (typeof then === 'function') {
        real(target, half(args[0]));
        then();
      }
      return real(target, ...args);
    };
  };
  const wrap = (name) => {
    const real = fs.promises[name];
    fs.promises[name] = async (target, ...args) => {
      const then = at(name, name === 'rename' || name === 'copyFile' || name === 'link' ? args[0] : target);
      if (typeof then === 'function') {
        await real(target, half(args[0]));
        then();
      }
      return real(target, ...args);
    };
  };
  for (const name of [
    'writeSync',
    'writeFileSync',
    'appendFileSync',
    'fsyncSync',
    'ftruncateSync',
    'mkdirSync',
    'renameSync',
    'rmSync',
  ])
    wrapSync(name);
  for (const name of [
    'writeFile',
    'appendFile',
    'rename',
    'copyFile',
    'link',
    'mkdir',
    'rm',
    'chmod',
    'unlink',
    'rmdir',
    'truncate',
  ])
    wrap(name);
  syncBuiltinESMExports();
}
