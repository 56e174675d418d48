// Overrides from the command line: a person's case routes the run, is shown wherever the verdict is, and ends by itself.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { overrideFiles, readOverrides } from '../../src/store/overrides.ts';
import { openStore } from '../../src/store/store.ts';
import { CommandLine, type Ended } from '../support/command-line.ts';

let cli: CommandLine;
beforeEach(async () => {
  cli = await CommandLine.inNewFolder();
  await cli.write('w.json', workflow);
});
afterEach(async () => {
  await cli.remove();
});

const METRICS = `{"format":"headgate-metrics","version":1,"task":"detection","primary":"mAP","values":{"mAP":SCORE},"units":{"mAP":"fraction"},"higherIsBetter":{"mAP":true}}`;
const write = (argv: readonly unknown[], type: string, more: object = {}): object => ({
  kind: 'command',
  ...more,
  with: { argv: ['sh', '-c', ...argv], outputs: { out: { type, path: 'out.json' } } },
});
const workflow = {
  name: 'demo',
  params: { score: '0.97', threshold: 0.99 },
  stages: {
    check: write(
      ['printf %s "$1" | sed "s/SCORE/$2/" > "$0"', '{output:out}', METRICS, { $param: 'score' }],
      'metrics',
    ),
    gate: {
      kind: 'gate',
      inputs: { metrics: 'check.out' },
      cases: [
        { name: 'pass', criteria: [{ metric: 'primary', atLeast: { $param: 'threshold' } }] },
        { name: 'short', else: true },
      ],
    },
    finetune: write(['printf tuned > "$0"', '{output:out}'], 'file', { after: 'gate:short' }),
    deliver: write(['printf delivered > "$0"', '{output:out}'], 'file', { after: 'gate:pass' }),
  },
};

const override = (...more: readonly string[]): Promise<Ended> =>
  cli.run('override', 'gate', 'pass', '--who', 'Ann', '--why', 'the night set is mislabelled', ...more);

interface Stages {
  readonly stages: readonly {
    readonly id: string;
    readonly state: string;
    readonly verdict?: { readonly case: string; readonly override?: object };
  }[];
}

const statesOf = ({ stdout }: Ended): object =>
  Object.fromEntries((JSON.parse(stdout) as Stages).stages.map(({ id, state }) => [id, state]));

describe('headgate override', () => {
  test('routes the next run, and plan announces just that', async () => {
    await cli.run('run', 'w.json');
    const recorded = await override();
    expect([recorded.exitCode, recorded.stderr]).toEqual([0, '']);
    expect(recorded.stdout).toMatch(
      /^gate → pass in place of short, by Ann on \d{4}-\d\d-\d\d: the night set is mislabelled\n/,
    );

    const planned = await cli.run('plan', 'w.json');
    expect(planned.stdout).toMatch(/^gate +run → pass: .*\/override/m);
    expect(planned.stdout).toMatch(/^ +override to pass by Ann on .*: the night set is mislabelled$/m);
    expect(planned.stdout).toMatch(/^finetune +not taken: gate chooses pass$/m);
    expect(planned.stdout).toMatch(/^deliver +run: it has not run before/m);

    const ran = await cli.run('run', 'w.json', '--json');
    expect(statesOf(ran)).toEqual({
      check: 'cached',
      gate: 'succeeded',
      finetune: 'not-taken',
      deliver: 'succeeded',
    });
    const gate = (JSON.parse(ran.stdout) as Stages).stages.find(({ id }) => id === 'gate');
    expect(gate?.verdict).toMatchObject({
      case: 'pass',
      override: {
        measured: 'short',
        who: 'Ann',
        why: 'the night set is mislabelled',
        when: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as string,
        key: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      },
    });
  });

  test('is shown in the run, the status and explain, with the numbers that were measured', async () => {
    await cli.run('run', 'w.json');
    await override();
    const ran = await cli.run('run', 'w.json');
    const words = /gate → pass \(override of short by Ann on [-\d]+: the night set is mislabelled\)/;
    expect(ran.stdout).toMatch(words);
    expect(ran.stdout).toContain('mAP 97.00 %, pass asks at least 99.00 %: falls short');
    expect((await cli.run('status')).stdout).toMatch(words);
    const explained = (await cli.run('explain', 'gate')).stdout;
    expect(explained).toMatch(/chose pass \(override of short by Ann/);
    expect(explained).toContain('override to pass by Ann');
    expect((await cli.run('override', '--list')).stdout).toMatch(/^gate → pass by Ann on .* \(w\.json, key/);
  });

  test('once removed is gone: the measured verdict is back, and so is what hangs on it', async () => {
    await cli.run('run', 'w.json');
    await override();
    await cli.run('run', 'w.json');
    expect(await cli.run('override', 'gate', '--remove')).toMatchObject({ exitCode: 0 });
    expect((await cli.run('plan', 'w.json')).stdout).toMatch(/^gate +cached → short/m);
    const ran = await cli.run('run', 'w.json', '--json');
    expect(statesOf(ran)).toEqual({ check: 'cached', gate: 'cached', finetune: 'cached', deliver: 'not-taken' });
    expect(ran.stdout).not.toContain('Ann');
    expect((await cli.run('override', '--list')).stdout).toBe('no gate is overridden\n');
    expect((await cli.run('override', 'gate', '--remove')).exitCode).toBe(2);
  });

  test('lapses when a threshold or a number changes, which is said, and holds again when they are back', async () => {
    await cli.run('run', 'w.json');
    await override();
    for (const change of ['threshold=0.98', 'score="0.96"']) {
      const planned = await cli.run('plan', 'w.json', '--set', change);
      const ran = await cli.run('run', 'w.json', '--set', change);
      if (change.startsWith('threshold')) expect(planned.stdout).toContain('the override to pass by Ann');
      expect(ran.stdout).toMatch(/gate: the override to pass by Ann .* has lapsed/);
      expect(ran.stdout).toContain('gate → short');
    }
    expect((await cli.run('run', 'w.json')).stdout).toContain('gate → pass (override of short by Ann');
  });

  test('refuses what it cannot mean, and writes nothing', async () => {
    const unknown = await override('--file', 'w.json');
    expect(unknown.exitCode).toBe(2);
    expect(unknown.stderr).toContain('cannot be overridden yet: its numbers are not known');
    await cli.run('run', 'w.json');
    for (const [argv, words] of [
      [['override', 'gate', 'pass', '--who', 'Ann'], 'who decided, and why'],
      [['override', 'gate', 'pass', '--who', ' ', '--why', 'x'], '--who must be one line of text'],
      [['override', 'gate', 'pass', '--who', 'Ann', '--why', 'a\nb'], '--why must be one line of text'],
      [['override', 'gate', 'passed', '--who', 'Ann', '--why', 'x'], 'has no case "passed"'],
      [['override', 'check', 'pass', '--who', 'Ann', '--why', 'x'], 'is a command stage'],
      [['override', 'gat', 'pass', '--who', 'Ann', '--why', 'x'], 'did you mean "gate"?'],
      [['override'], 'which gate?'],
    ] as const) {
      const refused = await cli.run(...argv);
      expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining(words)]);
    }
    expect(await readdir(join(cli.root, '.headgate')).then((names) => names.includes('overrides'))).toBe(false);
  });

  test('that was damaged fails its gate, since nobody knows any more what the person decided', async () => {
    await cli.run('run', 'w.json');
    await override();
    expect((await cli.run('run', 'w.json')).stdout).toContain('gate → pass (override of short by Ann');
    const folder = join(cli.root, '.headgate/overrides');
    const [name = ''] = await readdir(folder);
    const whole = await readFile(join(folder, name));
    for (const damaged of [
      Buffer.from('{"format":"headgate-override","version":1,"workflow":"w.json"'),
      Buffer.from(whole.toString().replace('"pass"', '"fine"')),
      Buffer.from(whole.toString().replace('"seal"', '"sebl"')),
      Buffer.from(whole.toString().replace('"version": 2', '"version": 1')),
      Buffer.alloc(0),
    ]) {
      await writeFile(join(folder, name), damaged);
      expect((await cli.run('plan', 'w.json')).stdout).toContain('the override of this gate cannot be read');
      const ran = await cli.run('run', 'w.json');
      expect([ran.exitCode, ran.stdout]).toEqual([1, expect.stringContaining('headgate override')]);
      expect(ran.stdout).not.toContain('gate → ');
      expect((await cli.run('override', '--list')).stdout).toContain('damaged, or no override: no gate obeys it');
    }
    expect((await override()).exitCode).toBe(0);
    expect((await cli.run('run', 'w.json')).stdout).toContain('gate → pass (override of short by Ann');
    await writeFile(join(folder, name), '{}');
    expect((await cli.run('override', 'gate', '--remove')).exitCode).toBe(0);
    expect((await cli.run('run', 'w.json')).stdout).toContain('gate → short');
  });

  test('is never another one when any one bit of its file is another', async () => {
    await cli.run('run', 'w.json');
    await override();
    const { layout } = openStore(cli.root);
    const [path = ''] = overrideFiles(layout);
    const before = await readOverrides(layout);
    const whole = await readFile(path);
    const believed: string[] = [];
    for (let at = 0; at < whole.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const flipped = Buffer.from(whole);
        flipped[at] = (whole[at] ?? 0) ^ (1 << bit);
        await writeFile(path, flipped);
        const { recorded, unreadable } = await readOverrides(layout);
        // White space between fields says nothing, and may change.
        const isSame = isDeepStrictEqual(recorded, before.recorded);
        if (!isSame && unreadable.length !== 1) believed.push(`byte ${at}, bit ${bit}`);
      }
    }
    expect(believed).toEqual([]);
  });

  test('of the first form, which has no seal, is still read', async () => {
    await cli.run('run', 'w.json');
    await override();
    const [path = ''] = overrideFiles(openStore(cli.root).layout);
    const { seal: _, ...document } = JSON.parse(await readFile(path, 'utf8')) as { readonly seal: string };
    await writeFile(path, JSON.stringify({ ...document, version: 1 }));
    expect((await cli.run('run', 'w.json')).stdout).toContain('gate → pass (override of short by Ann');
  });
});
