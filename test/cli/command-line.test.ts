// The command line as people and scripts see it: exit codes, what is on which stream, words for every mistake.
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { encodeModel } from '../../src/qat/onnx/codec.ts';
import { BOUNDARY, OUTPUTS, smallNetwork } from '../qat/networks.ts';
import { CommandLine, type Ended } from '../support/command-line.ts';
import { FifoReader } from '../support/fifo.ts';

let cli: CommandLine;
beforeEach(async () => {
  cli = await CommandLine.inNewFolder();
});
afterEach(async () => {
  await cli.remove();
});

const command = (argv: readonly unknown[], outputs: object, more: object = {}): object => ({
  kind: 'command',
  ...more,
  with: { argv, outputs },
});
const file = { out: { type: 'file', path: 'result.txt' } };
const METRICS = `{"format":"headgate-metrics","version":1,"task":"detection","primary":"mAP","values":{"mAP":SCORE},"units":{"mAP":"fraction"},"higherIsBetter":{"mAP":true}}`;

function workflow(options: { readonly terminal?: boolean; readonly text?: string } = {}): object {
  const substituted = { $param: 'score' };
  return {
    name: 'demo',
    params: { score: '0.97', text: options.text ?? 'weights', threshold: 0.99 },
    stages: {
      float: command(['sh', '-c', 'printf %s "$1" > "$0"', '{output:out}', { $param: 'text' }], file),
      check: command(
        ['sh', '-c', `printf %s "$1" | sed "s/SCORE/$2/" > "$0"`, '{output:metrics}', METRICS, substituted],
        {
          metrics: { type: 'metrics', path: 'metrics.json' },
        },
      ),
      gate: {
        kind: 'gate',
        inputs: { metrics: 'check.metrics' },
        cases: [
          { name: 'pass', criteria: [{ metric: 'primary', atLeast: { $param: 'threshold' } }] },
          { name: 'short', else: true },
        ],
      },
      ...(options.terminal === true
        ? { give_up: { kind: 'stop', after: 'gate:short', with: { reason: 'The head is too far from float.' } } }
        : {
            finetune: command(
              ['sh', '-c', 'cat "$1" > "$0"; printf +ft >> "$0"', '{output:out}', '{input:head}'],
              file,
              {
                after: 'gate:short',
                inputs: { head: 'float.out' },
              },
            ),
          }),
    },
  };
}

const lastLine = ({ stdout }: Ended): string => stdout.trimEnd().split('\n').at(-1) ?? '';

describe('headgate run', () => {
  test('ends with 0, says what ran and where the files are; the second time nothing runs', async () => {
    await cli.write('w.json', workflow());
    const first = await cli.run('run', 'w.json');
    expect([first.exitCode, first.stderr]).toEqual([0, '']);
    expect(first.stdout).toContain('gate → short: detection mAP 97.00 %, pass asks at least 99.00 %: falls short');
    expect(lastLine(first)).toMatch(/^Succeeded: 4 ran, 0 cached, 0 not taken in /);
    expect(await readFile(join(cli.root, '.headgate/out/demo/finetune.out.txt'), 'utf8')).toBe('weights+ft');
    const second = await cli.run('run', 'w.json');
    expect(lastLine(second)).toMatch(/^Succeeded: 0 ran, 4 cached, 0 not taken in /);
  });

  test('prints nothing but one JSON document with --json', async () => {
    await cli.write('w.json', workflow());
    const { stdout, exitCode } = await cli.run('run', 'w.json', '--json');
    const report = JSON.parse(stdout) as {
      stages: { id: string; state: string }[];
      finished: object;
      files: { path: string }[];
    };
    expect(exitCode).toBe(0);
    expect(report.finished).toMatchObject({ outcome: 'succeeded', exitCode: 0 });
    expect(report.files.map(({ path }) => path)).toEqual(['.headgate/out/demo/finetune.out.txt']);
  });

  test('prints every event as a line with --log-format jsonl', async () => {
    await cli.write('w.json', workflow());
    const { stdout } = await cli.run('run', 'w.json', '--log-format', 'jsonl');
    const types = stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { type: string }).type);
    expect([types[0], types.at(-1)]).toEqual(['run-started', 'run-finished']);
  });

  test('ends with 1 when a stage fails, and says what to do', async () => {
    await cli.write('w.json', {
      name: 'demo',
      stages: { bad: command(['sh', '-c', 'echo out of cheese >&2; exit 4'], file) },
    });
    const { stdout, stderr, exitCode } = await cli.run('run', 'w.json');
    expect(exitCode).toBe(1);
    expect(stdout).toContain('bad failed: the command ended with exit code 4\n    out of cheese\n');
    expect(stdout + stderr).not.toMatch(/\n\s+at /); // no stack
  });

  test('ends with 3 when a gate stops it; the reason is the last thing printed, after the numbers', async () => {
    await cli.write('w.json', workflow({ terminal: true }));
    const ended = await cli.run('run', 'w.json');
    expect(ended.exitCode).toBe(3);
    const lines = ended.stdout.trimEnd().split('\n');
    expect(lines.at(-1)).toBe('The head is too far from float.');
    expect(lines.at(-2)).toMatch(/mAP 97\.00 %.*falls short/);
  });

  test('runs only what --until needs, and refuses --only on what is not cached', async () => {
    await cli.write('w.json', workflow());
    const only = await cli.run('run', 'w.json', '--only', 'finetune');
    expect(only.exitCode).toBe(2);
    expect(only.stderr).toContain('--only leaves out float, check, which would have to run');
    expect(lastLine(await cli.run('run', 'w.json', '--until', 'gate'))).toMatch(/^Succeeded: 2 ran/);
    expect((await cli.run('run', 'w.json', '--until', 'float')).exitCode).toBe(0);
    expect(lastLine(await cli.run('run', 'w.json', '--only', 'finetune', '--force', 'finetune'))).toMatch(
      /^Succeeded: 1 ran, 3 cached/,
    );
  });
});

describe('an interrupted run', () => {
  test('ends with 130 and is continued by resume, with its own parameters, under its own name', async () => {
    const fifo = await FifoReader.make(join(cli.root, 'fifo'));
    await cli.write('params.json', { text: 'from the file' });
    await cli.write('w.json', {
      name: 'demo',
      params: { text: 'default' },
      stages: {
        first: command(['sh', '-c', 'printf %s "$1" > "$0"', '{output:out}', { $param: 'text' }], file),
        // Waits at the pipe the first time; the second time there is none.
        slow: command(
          [
            process.execPath,
            '-e',
            `const fs = require('fs'); const [, out, from] = process.argv;
            if (fs.existsSync('fifo')) { fs.writeFileSync('fifo', 'here'); setInterval(() => {}, 1000); }
            else fs.copyFileSync(from, out);`,
            '{output:out}',
            '{input:in}',
          ],
          file,
          {
            inputs: { in: 'first.out' },
          },
        ),
      },
    });
    const { child, ended } = cli.start('run', 'w.json', '--params', 'params.json');
    await fifo.read();
    child.kill('SIGINT');
    const interrupted = await ended;
    expect(interrupted.exitCode).toBe(130);
    expect(interrupted.stdout).toContain('slow cancelled');

    execFileSync('rm', [fifo.path]);
    await cli.write('params.json', { text: 'edited meanwhile' });
    const resumed = await cli.run('resume');
    expect(resumed.exitCode).toBe(0);
    expect(await readFile(join(cli.root, '.headgate/out/demo/slow.out.txt'), 'utf8')).toBe('from the file');
    expect(await readdir(join(cli.root, '.headgate/runs'))).toHaveLength(1);
    expect(await cli.run('resume')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('there is no unfinished run') as unknown,
    });
  });
});

describe('a mistake', () => {
  test.each([
    [['rum', 'w.json'], /unknown command 'rum'[\s\S]*Did you mean run/],
    [['run'], /missing required argument 'file'/],
    [['run', 'none.json'], /none\.json HG\d+ .*no such file/],
    [['run', 'w.json', '--jobs', '0'], /--jobs.*whole number from 1/],
    [['run', 'w.json', '--jobs', '0x2'], /--jobs.*whole number from 1/],
    [['run', 'w.json', '--resources', 'gpu'], /--resources gpu is not of the form/],
    [['run', 'w.json', '--resources', 'gpu=0'], /--resources gpu=0 leaves nothing for the stages that need "gpu"/],
    [['run', 'w.json', '--set', 'scor=1'], /score/],
    [
      ['plan', 'w.json', '--until', 'finetun'],
      /stage "finetun" is not in this workflow\n {2}help: did you mean "finetune"\?/,
    ],
    [['explain', 'nothing', '--file', 'w.json'], /stage "nothing" is not in this workflow/],
    [['status'], /no run yet/],
    [['inspect', 'check.metrics'], /no file "check\.metrics"/],
  ])('%j ends with 2, says what is wrong and prints no stack', async (args, words) => {
    await cli.write('w.json', workflow());
    const { exitCode, stdout, stderr } = await cli.run(...args);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(words);
    expect(stderr).not.toMatch(/\n\s+at .*:\d+:\d+/);
  });
});

describe('plan and explain', () => {
  test('name the field that changed, old and new, before and after it ran', async () => {
    await cli.write('w.json', workflow());
    await cli.run('run', 'w.json');
    const planned = await cli.run('plan', 'w.json', '--set', 'text=new');
    expect(planned.stdout).toMatch(/float +run: \/settings\/argv\/4 "weights" → "new"/);
    expect(planned.stdout).toMatch(/check +cached/);
    expect(planned.stdout).toMatch(/finetune +run unless the output of float is unchanged/);
    const would = await cli.run('explain', 'float', '--set', 'text=new');
    expect(would.stdout).toContain('a run now: run: /settings/argv/4 "weights" → "new"');
    await cli.run('run', 'w.json', '--set', 'text=new');
    const did = await cli.run('explain', 'float');
    expect(did.stdout).toMatch(/in run .*: ran in .*, because \/settings\/argv\/4 "weights" → "new"/);
  });

  test('explain tells who made a cached stage, what a gate saw and why a stage was not taken', async () => {
    await cli.write('w.json', workflow());
    await cli.run('run', 'w.json', '--set', 'threshold=0.5');
    await cli.run('run', 'w.json', '--set', 'threshold=0.5');
    expect((await cli.run('explain', 'check')).stdout).toMatch(/cached, made by run \d{8}-/);
    expect((await cli.run('explain', 'gate')).stdout).toContain(
      'detection mAP 97.00 %, pass asks at least 50.00 %: holds (+0.47)',
    );
    expect((await cli.run('explain', 'finetune')).stdout).toContain('not taken: gate chose pass');
  });
});

describe('looking at what is there', () => {
  test('inspect shows a file, an output and an object by the start of its digest', async () => {
    await cli.write('w.json', workflow());
    await cli.run('run', 'w.json');
    const metrics = JSON.parse((await cli.run('inspect', 'check.metrics')).stdout) as unknown;
    expect(metrics).toMatchObject({ primary: 'mAP', values: { mAP: 0.97 } });
    const [shard = ''] = await readdir(join(cli.root, '.headgate/objects'));
    const [digest = ''] = await readdir(join(cli.root, '.headgate/objects', shard));
    expect((await cli.run('inspect', digest.slice(0, 16))).exitCode).toBe(0);
    expect((await cli.run('inspect', 'w.json')).stdout).toContain('"name": "demo"');
    expect(await cli.run('inspect', 'check.nothing')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('it has metrics') as unknown,
    });
  });

  test('inspect shows tensors of a checkpoint and the files of a folder', async () => {
    const header = JSON.stringify({
      __metadata__: { scope: 'backbone' },
      'conv.weight': { dtype: 'F32', shape: [2, 1], data_offsets: [0, 8] },
    });
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    await mkdir(join(cli.root, 'data'));
    await cli.write('data/a.safetensors', `${length.toString('latin1')}${header}00000000`);
    expect((await cli.run('inspect', 'data/a.safetensors')).stdout).toContain('conv.weight  F32 [2, 1]');
    expect((await cli.run('inspect', 'data')).stdout).toContain('folder, 1 file');
  });

  test('inspect lists the tensors of an ONNX file, by which a boundary or an output is named', async () => {
    await writeFile(join(cli.root, 'm.onnx'), encodeModel(smallNetwork().graph));
    const { stdout } = await cli.run('inspect', 'm.onnx');
    for (const name of [...BOUNDARY, ...OUTPUTS]) expect(stdout).toContain(name);
  });

  test('status shows the newest run or the named one, graph draws, validate says yes', async () => {
    await cli.write('w.json', workflow());
    await cli.run('run', 'w.json');
    const [run = ''] = await readdir(join(cli.root, '.headgate/runs'));
    expect((await cli.run('status')).stdout).toMatch(/gate +succeeded .*chose short/);
    expect((JSON.parse((await cli.run('status', run.slice(0, 12), '--json')).stdout) as { run: string }).run).toBe(run);
    expect((await cli.run('graph', 'w.json')).stdout).toMatch(/^flowchart/);
    expect((await cli.run('graph', 'w.json', '--format', 'dot')).stdout).toMatch(/^digraph/);
    expect((await cli.run('validate', 'w.json')).stdout).toBe('w.json is valid: demo, 4 stages\n');
  });
});
