// Malformed and hostile workflows, parameters, stores and jobs against the real command line: each gets its message and
// exit code, in bounded time and memory, and never a stack.
import { afterAll, describe, expect, test } from 'vitest';
import { builtProgram } from '../support/built-program.ts';
import { fileCases } from './file-cases.ts';
import { MEGABYTES, SECONDS, type HostileCase } from './hostile-case.ts';
import { jobCases } from './job-cases.ts';
import { languageCases } from './language-cases.ts';
import { Meeting, type Met } from './meet.ts';
import { nameCases } from './name-cases.ts';
import { sizeCases } from './size-cases.ts';
import { storeCases } from './store-cases.ts';
import { textCases } from './text-cases.ts';

const families: { readonly [family: string]: readonly HostileCase[] } = {
  text: textCases,
  names: nameCases,
  language: languageCases,
  size: sizeCases,
  files: fileCases,
  store: storeCases,
  jobs: jobCases,
};
const FEWEST = 60;

const meeting = new Meeting(builtProgram);
const met: (readonly [HostileCase, Met])[] = [];

/** A stack of this program, or its confession. */
const STACK = /this is a bug in headgate|\n\s+at .*[:(]\d+:\d+/;

describe.each(Object.entries(families))('%s', (_family, cases) => {
  test.each(cases.filter(({ skip }) => skip === undefined))('$name', { timeout: 240_000 }, async (hostile) => {
    const result = await meeting.meet(hostile);
    met.push([hostile, result]);
    const start = result.text.slice(0, 3000);
    expect(result.hung, `it hung:\n${start}`).toBe(false);
    expect([result.exit, start]).toEqual([hostile.exit, expect.anything()]);
    if (typeof hostile.says === 'string') expect(result.text).toContain(hostile.says);
    else expect(result.text).toMatch(hostile.says);
    expect(start).not.toMatch(STACK);
    if (hostile.hides !== undefined) expect(result.text).not.toMatch(hostile.hides);
    expect(result.cpuSeconds).toBeLessThan(hostile.seconds ?? SECONDS);
    expect(result.megabytes).toBeLessThan(hostile.megabytes ?? MEGABYTES);
  });
});

describe('not tried here', () => {
  const skipped = Object.values(families).flatMap((cases) => cases.filter(({ skip }) => skip !== undefined));
  for (const { name, skip } of skipped) test.skip(`${name}: ${skip}`, () => undefined);
});

test(`there are at least ${FEWEST} of them, all different`, () => {
  const names = Object.values(families).flatMap((cases) => cases.map(({ name }) => name));
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThanOrEqual(FEWEST);
});

afterAll(async () => {
  await meeting.end();
  const rows = met.map(([{ name }, { exit, seconds, cpuSeconds, megabytes, text }]) => {
    const [line = ''] = text.split('\n').filter((candidate) => candidate.trim() !== '');
    return `${String(exit).padStart(4)} ${seconds.toFixed(2).padStart(6)} s ${cpuSeconds.toFixed(2).padStart(6)} s ${megabytes.toFixed(0).padStart(4)} MB  ${name}\n${' '.repeat(33)}${line.slice(0, 120)}`;
  });
  process.stdout.write(`exit, time, processor time, peak memory of ${met.length} hostile inputs\n${rows.join('\n')}\n`);
});
