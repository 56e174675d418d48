// The machine that a record names: for people who compare results, and never part of a key.
import { arch, cpus, platform } from 'node:os';
import type { ActionRecord } from '../store/actions.ts';

let host: ActionRecord['madeBy']['host'] | undefined;

/** Asked once: the system reads two files for it. */
export function thisHost(): ActionRecord['madeBy']['host'] {
  host ??= { platform: platform(), arch: arch(), cpu: cpus()[0]?.model ?? 'unknown', node: process.version };
  return host;
}
