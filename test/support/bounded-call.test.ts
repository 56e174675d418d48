// What a user wrote and the engine computes is stopped when its time is up, and an interrupt reaches whoever handles it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { buildSync } from 'esbuild';
import { expect, test } from 'vitest';
import { boundedCall } from '../../src/support/bounded-call.ts';

const forever = (): boolean => /^(a+)+$/.test(`${'a'.repeat(64)}!`);

test('a call gives its value, throws its own error, and may hold another', () => {
  expect(boundedCall(() => 7, 1000)).toEqual({ ok: true, value: 7 });
  expect(() =>
    boundedCall(() => {
      throw new TypeError('its own');
    }, 1000),
  ).toThrow(TypeError);
  expect(boundedCall(() => boundedCall(() => 7, 1000), 1000)).toEqual({ ok: true, value: { ok: true, value: 7 } });
});

test('a match without end is stopped when its time is up', () => {
  const startedAt = performance.now();
  expect(boundedCall(forever, 200)).toEqual({ ok: false, error: 'timed-out' });
  expect(performance.now() - startedAt).toBeLessThan(2000);
  expect(boundedCall(forever, 0)).toEqual({ ok: false, error: 'timed-out' });
});

test('an interrupt meanwhile stops it and reaches the handlers of the program', async () => {
  const script = `import { boundedCall } from './src/support/bounded-call.ts';
    process.on('SIGINT', () => console.log('heard'));
    console.log('started');
    console.log(boundedCall(() => { for (;;); }, 20_000).error);
    process.exit(0);`;
  const stdin = { contents: script, resolveDir: '.', loader: 'ts' } as const;
  const { outputFiles } = buildSync({ stdin, bundle: true, write: false, format: 'esm', platform: 'node' });
  const child = spawn(process.execPath, ['--input-type=module', '-e', outputFiles[0]?.text ?? '']);
  const lines: string[] = [];
  // Again and again: one that comes before the call began is only heard after it.
  let asking: NodeJS.Timeout | undefined;
  child.stdout.on('data', (text: Buffer) => {
    lines.push(...text.toString().trim().split('\n'));
    asking ??= setInterval(() => child.kill('SIGINT'), 100);
  });
  await once(child, 'close');
  clearInterval(asking);
  expect(lines.slice(0, 2)).toEqual(['started', 'heard']);
  expect(lines.at(-1)).toBe('interrupted');
});
