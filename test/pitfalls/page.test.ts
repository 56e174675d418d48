// docs/pitfalls.md and its cases belong together: every trap names a test that exists, quotes what PyTorch printed, and no case
// is without its place on the page.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const page = readFileSync('docs/pitfalls.md', 'utf8');
const sections = page.split(/^## \d+\. /m).slice(1);
const tests = readdirSync(import.meta.dirname)
  .filter((name) => /\.test\.ts$/.test(name) && name !== 'page.test.ts')
  .map((name) => readFileSync(join(import.meta.dirname, name), 'utf8'))
  .join('\n');
const titles = [...tests.matchAll(/\bit\(\s*'([^']+)'|\] as const\)\('([^']+)'/g)].map(
  ([, plain, each]) => plain ?? each ?? '',
);
const traps = JSON.parse(readFileSync(join(import.meta.dirname, 'torch-traps.json'), 'utf8')) as {
  readonly torch: string;
  readonly outputs: { readonly [trap: string]: string };
};

describe('the page of pitfalls', () => {
  it('tells at least twelve, numbered from one', () => {
    expect(sections.length).toBeGreaterThanOrEqual(12);
    const numbers = [...page.matchAll(/^## (\d+)\. /gm)].map(([, number]) => Number(number));
    expect(numbers).toEqual(sections.map((_, index) => index + 1));
  });

  it.each(sections.map((text) => [text.split('\n')[0], text]))('names a test that exists for "%s"', (_, text) => {
    const held = text?.slice(text.lastIndexOf('\nHeld by')) ?? '';
    const named = [...held.matchAll(/`([^`]+)`/g)].map(([, title = '']) => title);
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((title) => !titles.some((known) => title === known || matches(known, title)))).toEqual([]);
  });

  it('tells of every test', () => {
    const untold = titles.filter((title) => !page.includes(title.replace(': %s', '')));
    expect(untold).toEqual([]);
  });

  it('quotes what PyTorch printed, of the version that it names, and all of it', () => {
    expect(page).toContain(`PyTorch ${traps.torch}`);
    const quoted = [...page.matchAll(/^`(\w+)`:\n\n```\n(.*)\n```$/gm)].map(([, trap, output]) => [trap, output]);
    expect(Object.fromEntries(quoted)).toEqual(traps.outputs);
  });
});

/** A title with a parameter, and one of its cases. */
function matches(known: string, title: string): boolean {
  return known.endsWith(': %s') && title.startsWith(known.slice(0, -2));
}
