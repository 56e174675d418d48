// A gate's case may let something on that is below what was asked: the run then ends with exit code 0 and says so wherever its
// end is told, so that nothing below a threshold passes for good.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CommandLine, type Ended } from '../support/command-line.ts';

const METRICS = `{"format":"headgate-metrics","version":1,"task":"t","primary":"mAP","values":{"mAP":SCORE},"units":{"mAP":"fraction"},"higherIsBetter":{"mAP":true}}`;
const workflow = {
  name: 'falls short',
  params: { least: 0.9 },
  stages: {
    measure: {
      kind: 'command',
      forEach: [
        { key: 'detection', score: '0.75' },
        { key: 'segmentation', score: '0.95' },
      ],
      with: {
        argv: ['sh', '-c', 'printf %s "$1" | sed "s/SCORE/$2/" > "$0"', '{output:out}', METRICS, { $each: 'score' }],
        outputs: { out: { type: 'metrics', path: 'out.json' } },
      },
    },
    gate: {
      kind: 'gate',
      forEach: ['detection', 'segmentation'],
      inputs: { metrics: 'measure.out' },
      cases: [
        { name: 'pass', criteria: [{ metric: 'primary', atLeast: { $param: 'least' } }] },
        { name: 'short', else: true, short: true },
      ],
    },
  },
};

let cli: CommandLine;
beforeEach(async () => {
  cli = await CommandLine.inNewFolder();
  await cli.write('w.json', workflow);
});
afterEach(() => cli.remove());

const lastLine = ({ stdout }: Ended): string => stdout.trimEnd().split('\n').at(-1) ?? '';
const shortIn = ({ stdout }: Ended): unknown => (JSON.parse(stdout) as { readonly short: unknown }).short;

test('the last line names the tasks that are short, at exit code 0, and so does every later telling', async () => {
  const first = await cli.run('run', 'w.json');
  expect(first.exitCode).toBe(0);
  expect(lastLine(first)).toMatch(/^Succeeded, short: detection: 4 ran/);
  // Told again from what is remembered, and looked at anew.
  for (const again of [['run', 'w.json'], ['run', 'w.json', '--force', 'gate[segmentation]'], ['status']] as const) {
    const ended = await cli.run(...again);
    expect([ended.exitCode, lastLine(ended)], again.join(' ')).toEqual([
      0,
      expect.stringMatching(/^Succeeded, short: detection: /),
    ]);
  }
  expect((await cli.run('runs')).stdout).toContain('succeeded, short: detection');
  expect((await cli.run('explain', 'gate[detection]')).stdout).toContain('short of what was asked (detection)');
  expect((await cli.run('explain', 'gate[segmentation]')).stdout).not.toContain('short of what was asked');
});

test('--json has the list, empty where everything holds', async () => {
  expect(shortIn(await cli.run('run', 'w.json', '--json'))).toEqual(['detection']);
  expect(shortIn(await cli.run('run', 'w.json', '--json'))).toEqual(['detection']);
  expect(shortIn(await cli.run('status', '--json'))).toEqual(['detection']);
  expect(shortIn(await cli.run('run', 'w.json', '--json', '--set', 'least=0.99'))).toEqual([
    'detection',
    'segmentation',
  ]);
  const holding = await cli.run('run', 'w.json', '--json', '--set', 'least=0.5');
  expect([holding.exitCode, shortIn(holding)]).toEqual([0, []]);
  expect(lastLine(await cli.run('status'))).toMatch(/^Succeeded: /);
});

test('a person who lets the case pass takes the word away, and the override is what is told instead', async () => {
  await cli.run('run', 'w.json');
  await cli.run('override', 'gate[detection]', 'pass', '--who', 'Ann', '--why', 'the labels are wrong');
  const passed = await cli.run('run', 'w.json');
  expect(lastLine(passed)).toMatch(/^Succeeded: /);
  expect(passed.stdout).toContain('pass (override of short by Ann');
});
