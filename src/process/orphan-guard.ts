// Ends the jobs of an engine that was killed without a word. A small shell, in a session of its own, reads from a pipe which
// groups are at work; when the pipe ends the engine is gone, and whatever is on the list is asked to end, then killed.
// One per engine, started with its first job; jobs that hold a pipe themselves have usually ended before.
import { spawn } from 'node:child_process';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';

const SCRIPT = `
set -f
jobs=' '
while read -r sign job; do
  case $sign in
    +) jobs="$jobs$job ";;
    -) case $jobs in *" $job "*) jobs="\${jobs%% $job *} \${jobs#* $job }";; esac;;
  esac
done
for job in $jobs; do
  (
    group=\${job%:*} seconds=\${job#*:}
    kill -s INT -- "-$group"
    while [ "$seconds" -gt 0 ] && kill -s 0 -- "-$group"; do sleep 1; seconds=$((seconds - 1)); done
    kill -s KILL -- "-$group"
  ) &
done
wait
`;

export class OrphanGuard {
  private pipe: Writable | undefined;

  /** @returns to be called when the job has ended. */
  watch(group: number, graceMs: number): () => void {
    this.pipe ??= startGuard();
    const job = `${group}:${Math.ceil(graceMs / 1000)}`;
    this.pipe.write(`+ ${job}\n`);
    return () => void this.pipe?.write(`- ${job}\n`);
  }
}

function startGuard(): Writable {
  const guard = spawn('/bin/sh', ['-c', SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], detached: true, cwd: '/' });
  guard.on('error', () => undefined); // without a shell the next engine ends what this one leaves
  guard.stdin.on('error', () => undefined);
  guard.unref();
  // The pipe must not keep an engine alive that has nothing else to do.
  if (guard.stdin instanceof Socket) guard.stdin.unref();
  return guard.stdin;
}
