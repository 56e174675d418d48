// Warnings of a watched plan: told with the plan, and not again with a plan that has none.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { noColours } from '../../src/console/colours.ts';
import { watchLine } from '../../src/console/watch-lines.ts';
import type { Diagnostic } from '../../src/diagnostics/diagnostic.ts';
import { Engine } from '../support/engine.ts';
import { job, plan } from '../support/plans.ts';
import { Watching } from '../support/watching.ts';

let engine: Engine;
let watching: Watching | undefined;
beforeEach(async () => {
  engine = await Engine.inNewFolder();
});
afterEach(async () => {
  watching?.interrupt();
  watching?.interrupt();
  await watching?.ended;
  watching = undefined;
  await engine.remove();
});

const quick = (text: string) => plan([job('only', { text })]);

test('what in a plan is hardly meant is told with the plan, and again only with another plan', async () => {
  const warning: Diagnostic = {
    code: 'HG1441',
    severity: 'warning',
    message: '"percentOfReference" is hardly meant so',
    file: 'w.json',
    line: 1,
    column: 2,
    length: 3,
    lineText: '{"a": 1}',
  };
  watching = await Watching.start(engine, { ...quick('a'), warnings: [warning] });
  const first = await watching.next('plan-changed');
  expect(first.warnings).toEqual([warning]);
  expect(watchLine(first, noColours)).toMatch(/^w\.json:1:2 .*HG1441/);
  await watching.next('watch-waiting');
  await watching.write(quick('b'));
  const second = await watching.next('plan-changed');
  expect(second.warnings).toBeUndefined();
  expect(watchLine(second, noColours)).toBe('plan.json changed: planned again');
});
