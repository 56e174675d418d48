// Commands in containers: each in a pid, mount and UTS namespace of its own, on the store of everybody. A container that is
// killed takes all its processes with it, and nobody outside may be taken for one of them.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { RunEvent } from '../../src/events/run-events.ts';
import { eventsIn, type Ended, type Installation } from '../e2e/installation.ts';

const ISOLATED = ['--pid', '--fork', '--mount-proc', '--uts', '--kill-child'];

/** How namespaces may be made here, or undefined where nobody may: by root, or by a user who is root in one of their own. */
export const isolation: readonly string[] | undefined =
  process.platform === 'linux'
    ? [ISOLATED, ['--map-root-user', ...ISOLATED]].find(
        (options) => spawnSync('unshare', [...options, 'hostname', 'x'], { stdio: 'ignore' }).status === 0,
      )
    : undefined;

/** Others wait six of them. */
export const BEAT_SECONDS = 0.25;

export interface Contained {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended & { readonly events: readonly RunEvent[] }>;
  /** Resolves with the first event that fits, or undefined when there was none. */
  until(fits: (event: RunEvent) => boolean): Promise<RunEvent | undefined>;
  /** As when a container is killed. */
  kill(): void;
}

export function startContained(installation: Installation, host: string, args: readonly string[]): Contained {
  const inside = ['sh', '-c', 'hostname "$0" && exec "$@"', host, process.execPath, installation.program, ...args];
  const child = spawn('unshare', [...(isolation ?? []), ...inside], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1', CI: '1', HEADGATE_HEARTBEAT_SECONDS: String(BEAT_SECONDS) },
  });
  let [stdout, stderr] = ['', ''];
  const looks = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    stdout += part;
    looks.forEach((look) => look());
  });
  child.stderr.setEncoding('utf8').on('data', (part: string) => (stderr += part));
  const ended = once(child, 'close').then(([exitCode]) => {
    looks.forEach((look) => look());
    return { exitCode: exitCode as number | null, stdout, stderr, events: eventsIn(stdout) };
  });
  const until = async (fits: (event: RunEvent) => boolean): Promise<RunEvent | undefined> =>
    new Promise((resolve) => {
      const look = (): void => {
        const found = eventsIn(stdout).find(fits);
        if (found !== undefined || child.exitCode !== null || child.signalCode !== null) resolve(found);
      };
      looks.add(look);
      look();
    });
  return { process: child, ended, until, kill: () => void child.kill('SIGKILL') };
}
