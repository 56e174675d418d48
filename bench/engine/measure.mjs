// One whole process, measured from outside: wall time from before its start to after its end, and its largest resident set.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

// The kernel's own account of a finished child (wait4): a clock and a maximum that no polling misses. Its start-up is not
// in the measured time. The largest of the process and the children it waited for, not their sum.
const LAUNCHER = `
import json, os, resource, signal, sys, time
started = time.monotonic()
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
    os.execvp(sys.argv[2], sys.argv[2:])
def stop(*_):
    try: os.killpg(child, signal.SIGKILL)
    except ProcessLookupError: pass
signal.signal(signal.SIGALRM, stop)
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
signal.setitimer(signal.ITIMER_REAL, float(sys.argv[1]))
_, status, usage = os.wait4(child, 0)
elapsed = time.monotonic() - started
os.write(3, json.dumps({
    "ms": elapsed * 1000, "rss": usage.ru_maxrss * 1024, "cpuMs": (usage.ru_utime + usage.ru_stime) * 1000,
    "exitCode": os.waitstatus_to_exitcode(status), "over": os.WIFSIGNALED(status) and elapsed >= float(sys.argv[1]),
}).encode())
`;

/**
 * Runs `argv` to its end, its output into files of `cwd`'s parent.
 * @returns {Promise<{ms: number, rss: number, cpuMs: number, exitCode: number, over: boolean, output: string}>} `over` when
 * it was killed after `limitMs`; `output` is a path.
 */
export async function measure(argv, { cwd, env = {}, limitMs = 600_000, log = join(cwd, '..', 'last-output.txt') }) {
  const output = openSync(log, 'w');
  const clean = { ...quiet(process.env), ...env };
  try {
    if (!hasPython()) return { ...(await measureFromNode(argv, { cwd, env: clean, limitMs, output })), output: log };
    const child = spawn('python3', ['-c', LAUNCHER, String(limitMs / 1000), ...argv], {
      cwd,
      env: clean,
      stdio: ['ignore', output, output, 'pipe'],
    });
    const failed = new Promise((_, reject) => child.on('error', reject));
    const report = await Promise.race([text(child.stdio[3]), failed]);
    if (report === '') throw new Error(`${argv.join(' ')} could not be measured:\n${tail(log)}`);
    return { ...JSON.parse(report), output: log };
  } finally {
    closeSync(output);
  }
}

/** Where there is no Python: a little more than the process itself took, and no word on its memory. */
async function measureFromNode([program, ...args], { cwd, env, limitMs, output }) {
  const started = performance.now();
  const child = spawn(program, args, { cwd, env, stdio: ['ignore', output, output], detached: true });
  let over = false;
  const timer = setTimeout(() => {
    over = true;
    process.kill(-child.pid, 'SIGKILL');
  }, limitMs);
  const [code] = await once(child, 'close');
  clearTimeout(timer);
  return { ms: performance.now() - started, rss: undefined, cpuMs: undefined, exitCode: code ?? -9, over };
}

function hasPython() {
  python ??= spawnSync('python3', ['--version'], { stdio: 'ignore' }).status === 0;
  return python;
}
let python;

/** The same, where anything but exit code 0 means that the measurement is worth nothing. */
export async function measureSuccess(argv, options) {
  const run = await measure(argv, options);
  if (run.over) throw new TooSlow(options.limitMs ?? 600_000);
  if (run.exitCode !== 0) throw new Error(`${argv.join(' ')} ended with ${run.exitCode}:\n${tail(run.output)}`);
  return run;
}

export class TooSlow extends Error {
  constructor(limitMs) {
    super(`over ${Math.round(limitMs / 1000)} s`);
    this.limitMs = limitMs;
  }
}

export function tail(path, bytes = 1500) {
  return readFileSync(path, 'utf8').slice(-bytes);
}

/** What npm and a terminal leave in the environment must not change what is measured. */
function quiet(env) {
  const kept = Object.entries(env).filter(([name]) => !name.startsWith('npm_') && name !== 'NODE_OPTIONS');
  return { ...Object.fromEntries(kept), NO_COLOR: '1', CI: '1' };
}
