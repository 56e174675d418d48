// Programs that do what they should not.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HostileCase } from './hostile-case.ts';
import { file, put, shell, stages } from './writing.ts';

const run = ['run', 'w.json'] as const;
const metrics = { out: { type: 'metrics', path: 'm.json' } };
const folder = { out: { type: 'dataset', path: 'set' } };

function job(
  name: string,
  line: string,
  exit: number,
  says: string | RegExp,
  outputs: object = file,
  more: object = {},
): HostileCase {
  return { name, files: put('w.json', stages({ s: shell(line, more, outputs) })), args: run, exit, says };
}

function commandLine(
  name: string,
  settings: object,
  exit: number,
  says: string | RegExp,
  more: object = {},
): HostileCase {
  return {
    name,
    files: put('w.json', stages({ s: { kind: 'command', ...more, with: { outputs: file, ...settings } } })),
    args: run,
    exit,
    says,
  };
}

const escapes = 's failed: output "out" is not inside the job\'s out folder';
const unusable = 's failed: output "out" cannot be kept: it is a pipe, a socket or a device';
const value = '{"format":"headgate-metrics","version":1,"task":"t","primary":"a","values":{"a":1}}';

export const jobCases: readonly HostileCase[] = [
  job('an output that links to a file outside', 'ln -s /etc/hostname "$OUT"', 1, escapes),
  job('an output that links to itself', 'ln -s "$OUT" "$OUT"', 1, escapes),
  job('an output that links to a device', 'ln -s /dev/zero "$OUT"', 1, escapes),
  job('an output that is a pipe', 'mkfifo "$OUT"', 1, unusable),
  job('a folder with a link out', 'mkdir "$OUT"; ln -s /etc "$OUT/etc"', 1, escapes, folder),
  job('a folder with a link to itself', 'mkdir "$OUT"; ln -s . "$OUT/again"', 0, 'Succeeded', folder),
  job('a folder with a pipe', 'mkdir "$OUT"; mkfifo "$OUT/pipe"', 1, unusable, folder),
  job('a folder with a device', 'mkdir "$OUT"; ln -s /dev/urandom "$OUT/noise"', 1, escapes, folder),
  job('a folder of 500 files', 'mkdir "$OUT"; cd "$OUT"; seq 500 | xargs touch', 0, 'Succeeded', folder),
  job('an out folder that is gone', 'rm -r "$(dirname "$OUT")"', 1, /s failed: /),
  job('an out folder that is a link', 'D="$(dirname "$OUT")"; rmdir "$D"; ln -s /etc "$D"; true', 1, /s failed: /, {
    out: { type: 'file', path: 'hostname' },
  }),
  job('no output at all', 'true', 1, 's failed: '),
  job('metrics that are a folder', 'mkdir "$OUT"', 1, 'it is a folder', metrics),
  job('metrics that are no JSON', 'echo "}{" > "$OUT"', 1, 'is no metrics file', metrics),
  job('metrics of 1 GB', 'truncate -s 1G "$OUT"', 1, /is no metrics file: it has \d+ bytes/, metrics),
  job(
    'metrics nested 100,000 deep',
    `{ head -c 100000 /dev/zero | tr '\\0' '['; } > "$OUT"`,
    1,
    'is no metrics file',
    metrics,
  ),
  job(
    'metrics with a number beyond a double',
    `echo '${value.replace(':1}', ':1e400}')}' > "$OUT"`,
    1,
    'metric "a" is Infinity',
    metrics,
  ),
  job(
    'metrics named like parts of every object',
    `echo '${value.replace('"a":1', '"a":1,"__proto__":2,"constructor":3')}' > "$OUT"`,
    0,
    'Succeeded',
    metrics,
  ),
  job(
    'metrics whose primary one is inherited',
    `echo '${value.replace('"primary":"a"', '"primary":"toString"')}' > "$OUT"`,
    1,
    'metric "toString" is not among',
    metrics,
  ),
  job(
    'a program that never ends',
    'while :; do sleep 1; done',
    1,
    's failed: it took longer than its timeout of 1',
    file,
    { timeout: '1s' },
  ),
  job(
    'a program that never ends and hears no signals',
    "trap '' INT TERM HUP; while :; do sleep 1; done",
    1,
    'timeout',
    file,
    { timeout: '500ms' },
  ),
  {
    ...job('a program that leaves another behind', 'sleep 300 & echo $! > "$OUT"', 0, 'Succeeded'),
    after: (root) => {
      const pid = readFileSync(join(root, '.headgate/out/demo/s.out.txt'), 'utf8').trim();
      if (existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('sleep'))
        throw new Error('it still runs');
    },
  },
  job('a program that makes itself a daemon', 'setsid sleep 3 > /dev/null 2>&1 & echo 1 > "$OUT"', 0, 'Succeeded'),
  job('a program that holds its output open from a daemon', 'setsid sleep 3 & echo 1 > "$OUT"', 0, 'Succeeded'),
  job('a program that prints 300 MB', 'head -c 300000000 /dev/zero; echo 1 > "$OUT"', 0, 'Succeeded'),
  job(
    'a program that prints 300 MB of one line and fails',
    'head -c 300000000 /dev/zero >&2; exit 7',
    1,
    'exit code 7',
  ),
  job('a program that kills itself', 'kill -9 $$', 1, 'by signal SIGKILL'),
  job('a program that reads what nobody writes', 'cat > "$OUT"', 0, 'Succeeded'),
  job(
    'events in a line of 100 MB',
    `head -c 100000000 /dev/zero | tr '\\0' x > "$HEADGATE_JOB/events.jsonl"; echo 1 > "$OUT"`,
    0,
    'Succeeded',
  ),
  job(
    '1,000,000 events',
    `yes '{"type":"note","level":"info","text":"x"}' | head -n 1000000 > "$HEADGATE_JOB/events.jsonl"; echo 1 > "$OUT"`,
    0,
    'Succeeded',
  ),
  job(
    'events that are garbage',
    `head -c 1000000 /dev/urandom > "$HEADGATE_JOB/events.jsonl"; echo '{"type":"progress"}' >> "$HEADGATE_JOB/events.jsonl"; echo '{"type":"metrics","values":7}' >> "$HEADGATE_JOB/events.jsonl"; echo '{"type":"proof","proof":null}' >> "$HEADGATE_JOB/events.jsonl"; echo 1 > "$OUT"`,
    0,
    'Succeeded',
  ),
  job('events through a pipe', 'mkfifo "$HEADGATE_JOB/events.jsonl"; echo 1 > "$OUT"', 0, 'Succeeded'),
  job('events that are a folder', 'mkdir "$HEADGATE_JOB/events.jsonl"; echo 1 > "$OUT"', 0, 'Succeeded'),
  job('events from a device', 'ln -s /dev/zero "$HEADGATE_JOB/events.jsonl"; echo 1 > "$OUT"', 0, 'Succeeded'),
  job('a job folder that is gone', 'rm -r "$HEADGATE_JOB"', 1, 's failed: '),
  {
    name: 'a program that writes into its input',
    files: put(
      'w.json',
      stages({
        a: shell('echo one > "$OUT"'),
        b: {
          kind: 'command',
          inputs: { in: 'a.out' },
          with: {
            argv: ['sh', '-c', 'chmod u+w "$1"; echo forged > "$1"; echo b > "$0"', '{output:out}', '{input:in}'],
            outputs: file,
          },
        },
        c: {
          kind: 'command',
          after: 'b',
          inputs: { in: 'a.out' },
          with: { argv: ['cp', '{input:in}', '{output:out}'], outputs: file },
        },
      }),
    ),
    args: run,
    exit: 1,
    says: 'b failed: it changed its input "in", which a.out made',
  },
  commandLine(
    'a program that is not there',
    { argv: ['no-such-program'] },
    1,
    /no-such-program.*(was not found|could not be started)/,
  ),
  commandLine('a program that is a folder', { argv: ['./'] }, 1, /could not be started|not found/),
  commandLine('a program that is empty', { argv: [''] }, 1, /s failed: /),
  commandLine('an argument with a NUL', { argv: ['echo', 'a\u0000b'] }, 1, /s failed: /),
  commandLine(
    'an argument of 1 MB',
    { argv: ['echo', 'x'.repeat(1024 * 1024)] },
    1,
    /could not be started.*too long|too long/,
  ),
  commandLine('a working folder that is not there', { argv: ['true'], cwd: 'nowhere' }, 1, /nowhere/),
  commandLine('a working folder with a NUL', { argv: ['true'], cwd: 'a\u0000b' }, 1, /s failed: /),
  commandLine('more threads than there are', { argv: ['sh', '-c', 'echo 1 > "$0"', '{output:out}'] }, 0, 'Succeeded', {
    threads: 1_000_000_000,
  }),
  commandLine(
    'more of a token than there is',
    { argv: ['sh', '-c', 'echo 1 > "$0"', '{output:out}'] },
    0,
    'Succeeded',
    { resources: { gpu: 1e15, toString: 3 } },
  ),
  commandLine('a timeout of no time', { argv: ['true'] }, 2, 'HG12', { timeout: '0.0001ms' }),
  commandLine('a timeout of an age', { argv: ['true'] }, 2, 'HG12', { timeout: `${'9'.repeat(400)}h` }),
  commandLine('a billion retries', { argv: ['false'] }, 2, 'HG1115', { retry: 1_000_000_000 }),
];
