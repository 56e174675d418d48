// The committed page of operators: a row for every rule of the registry, with the rule and its cases as they are now.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { countsOf, goldenCasesOf } from '../../bench/operators/page.ts';
import { gradientRules } from '../../src/qat/autodiff/registry.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

it('docs/results/operators.md lists every rule (node bench/operators/all.mjs makes it again)', () => {
  const page = readFileSync(`${root}docs/results/operators.md`, 'utf8');
  const listed = [
    ...page.matchAll(/^\| ((?!test_)\S+) +\| (gradient|no gradient|refused)[^|]*\| *(\d*) *\| *(\d*) *\|/gm),
  ].map(([, name, kind, cases, differences]) => [name, kind, cases, differences].join(' '));
  const golden = goldenCasesOf(root);
  const words = { gradient: 'gradient', 'no-gradient': 'no gradient', refuse: 'refused' };
  const rules = [...gradientRules].map(([name, { kind }]) => {
    const counts = kind === 'gradient' ? countsOf(golden.filter(({ rule }) => rule === name)) : ['', ''];
    return [name, words[kind], ...counts].join(' ');
  });
  expect(listed.sort()).toEqual(rules.sort());
});
