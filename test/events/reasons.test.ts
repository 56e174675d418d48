// The tables of reasons: each word of them is given somewhere, and what waiting cannot change is not tried again.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { failureWords } from '../../src/console/failure-words.ts';
import { retryWords, stageReasons, withOwnRemedy } from '../../src/events/failure-reasons.ts';
import { jobReason, jobReasons, jobReasonWords, OWN_REASON } from '../../src/events/job-reasons.ts';
import { isTriedAgain } from '../../src/execute/retry.ts';

/** Words that stand as a value in the code of a folder: of a property, in a list, in a call. Types do not count. */
function wordsIn(folder: string): ReadonlySet<string> {
  const words = new Set<string>();
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts')) continue;
    const visit = (node: ts.Node): void => {
      if (ts.isStringLiteral(node) && !ts.isLiteralTypeNode(node.parent)) words.add(node.text);
      ts.forEachChild(node, visit);
    };
    visit(ts.createSourceFile(name, readFileSync(join(folder, name), 'utf8'), ts.ScriptTarget.Latest, true));
  }
  return words;
}

describe('the table of job reasons', () => {
  const given = new Set([...wordsIn('src/backends'), ...wordsIn('src/execute')]);

  test.each(jobReasonWords)('%s is given by a job', (word) => {
    expect(given).toContain(word);
  });

  test('holds no word that a package could take for its own', () => {
    expect(jobReasonWords.filter((word) => OWN_REASON.test(word))).toEqual([]);
    expect(jobReason('toString')).toBeUndefined();
  });

  test('tries again what the machine or an unknown cause may have done, and nothing else', () => {
    const failed = (reason: string): boolean =>
      isTriedAgain({ retries: 2 }, { reason: 'job-failed', failure: { reason, message: '' } }, 1);
    expect(jobReasonWords.filter(failed)).toEqual(['internal', 'machine', 'out-of-memory']);
    for (const word of ['settings', 'profile', 'merged-model', 'release-changed', 'import-differs'])
      expect(failed(word)).toBe(false);
  });
});

describe('the table of the reasons of a stage', () => {
  const given = wordsIn('src/execute');

  test.each(Object.keys(stageReasons))('%s is given by the engine', (word) => {
    expect(given).toContain(word);
  });

  test('and that of job reasons make what retry.on may name, each word once', () => {
    expect(new Set(retryWords).size).toBe(retryWords.length);
    expect(retryWords).toHaveLength(Object.keys(stageReasons).length + jobReasonWords.length);
  });
});

describe.each(Object.entries({ ...stageReasons, ...jobReasons }))('%s', (_, { meaning, remedy }) => {
  test('is told in sentences', () => {
    expect(meaning).toMatch(/^[A-Zo].*\.$/);
    expect(remedy.length).toBeGreaterThan(10);
  });
});

describe('a failure whose job tells no remedy', () => {
  const own = { 'x-licence-busy': { meaning: 'All seats are taken.', remedy: 'Wait for a seat.', mayPass: true } };

  test("has that of its package, or in words for people that of headgate's table", () => {
    expect(withOwnRemedy({ reason: 'x-licence-busy', message: 'm' }, own).remedy).toBe('Wait for a seat.');
    const failure = withOwnRemedy({ reason: 'profile', message: 'm' }, own);
    expect(failureWords({ reason: 'job-failed', failure }).help).toBe(jobReasons.profile.remedy);
  });
  test('keeps the remedy that it tells for its own cause', () => {
    expect(withOwnRemedy({ reason: 'x-licence-busy', message: 'm', remedy: 'r' }, own).remedy).toBe('r');
  });
  test('stays as it is where nobody knows the word', () => {
    expect(withOwnRemedy({ reason: 'x-other', message: 'm' }, own)).toEqual({ reason: 'x-other', message: 'm' });
    expect(withOwnRemedy({ reason: 'constructor', message: 'm' }, own)).not.toHaveProperty('remedy');
  });
});
