// What the memory self-test says of processes that hold on to something, and of those that do not.
import { expect, it } from 'vitest';
import { judgeMemory } from '../../src/backends/embedded/self-tests/memory.ts';

/** MiB after each tenth of a thousand steps. */
const looks = (at: (step: number) => number): readonly number[] =>
  Array.from({ length: 100 }, (_, index) => at(10 * (index + 1)));

it('memory that grows until it has settled, and by a pool or two after that, stands still', () => {
  expect(judgeMemory(looks((step) => 100 + Math.min(step, 200) / 4 + (step > 600 ? 3 : 0)))).toEqual({
    held: true,
    text: '150.0 MiB after 200 steps of QAT, 153.0 MiB after 1000',
  });
});

it('a small activation that every step leaves behind is found', () => {
  const bytes = 4 * 32 * 12 * 12; // float32 [1, 32, 12, 12]
  const { held, text } = judgeMemory(looks((step) => 120 + (step * bytes) / 2 ** 20));
  expect(held).toBe(false);
  expect(text).toMatch(
    /^memory grows: 123\.5 MiB after 200 steps of QAT, 137\.6 MiB after 1000; 8\.0 MiB more may be$/,
  );
});

it('of a large process two percent may come and go', () => {
  const growing = (more: number) => judgeMemory(looks((step) => 2000 + (step > 500 ? more : 0))).held;
  expect([growing(39), growing(41)]).toEqual([true, false]);
});
