// The committed page of operators: a row for every rule of the registry, with the rule as it is now.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { gradientRules } from '../../src/qat/autodiff/registry.ts';

it('docs/results/operators.md lists every rule (node bench/operators/all.mjs makes it again)', () => {
  const page = readFileSync(new URL('../../docs/results/operators.md', import.meta.url), 'utf8');
  const listed = [...page.matchAll(/^\| ((?!test_)\S+) +\| (gradient|no gradient|refused)/gm)].map(
    ([, name, kind]) => `${name} ${kind}`,
  );
  const words = { gradient: 'gradient', 'no-gradient': 'no gradient', refuse: 'refused' };
  const rules = [...gradientRules].map(([name, { kind }]) => `${name} ${words[kind]}`);
  expect(listed.sort()).toEqual(rules.sort());
});
