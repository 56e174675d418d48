import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderDiagnostics } from '../../src/diagnostics/render.ts';
import { isJsonObject } from '../../src/support/json.ts';
import type { Json } from '../../src/support/json.ts';
import { tryPlan } from './plan-of.ts';

const workflows = [
  'workflows/fashion-scenes.json',
  'workflows/from-onnx.json',
  'test/fixtures/workflows/valid/base.json',
].map((file) => JSON.parse(readFileSync(file, 'utf8')) as Json);

const scraps: readonly Json[] = [
  null,
  true,
  -1,
  1e9,
  '',
  'x',
  'net.model',
  'gate:accept',
  'a[b].c',
  [],
  {},
  ['x'],
  { $param: 'profile' },
  { oneOf: [] },
  { collect: {} },
  { $choose: [1, 2, 3] },
];

/** One random part replaced, removed, or put in place of another. */
function mutate(value: Json, draw: (bound: number) => number): Json {
  if (Array.isArray(value) && value.length > 0 && draw(8) > 0) {
    const at = draw(value.length);
    return value.flatMap((item: Json, index) => (index !== at ? [item] : draw(6) === 0 ? [] : [mutate(item, draw)]));
  }
  if (isJsonObject(value) && Object.keys(value).length > 0 && draw(8) > 0) {
    const entries = Object.entries(value);
    const [key, inner] = entries[draw(entries.length)] ?? ['', null];
    const kept = entries.filter(([name]) => name !== key);
    const choice = draw(10);
    if (choice === 0) return Object.fromEntries(kept);
    if (choice === 1) return Object.fromEntries([...kept, [`${key}x`, inner]]);
    return Object.fromEntries(entries.map(([name, item]) => [name, name === key ? mutate(item, draw) : item]));
  }
  return scraps[draw(scraps.length)] ?? null;
}

describe('a workflow with a random mistake', () => {
  it('plans or is refused with a place and a cause; it never breaks the planner', () => {
    let refused = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...workflows),
        fc.array(fc.nat(), { minLength: 80, maxLength: 80 }),
        (workflow, numbers) => {
          let used = 0;
          const mutated = mutate(workflow, (bound) => (numbers[used++ % numbers.length] ?? 0) % bound);
          if (!isJsonObject(mutated)) return;
          const plan = tryPlan(mutated);
          if (plan.ok) return;
          refused++;
          expect(plan.error.length).toBeGreaterThan(0);
          expect(plan.error.every(({ line, message }) => line > 0 && message !== '')).toBe(true);
          expect(renderDiagnostics(plan.error)).not.toMatch(/undefined|\[object/);
        },
      ),
      { seed: 7, numRuns: 400 },
    );
    expect(refused).toBeGreaterThan(200);
  });
});
