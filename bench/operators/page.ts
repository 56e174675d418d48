// docs/results/operators.md: one row per operator of the registry.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gradientRules } from '../../src/qat/autodiff/registry.ts';
import { decodeSafetensors } from '../../src/support/safetensors.ts';
import { backendCases, DATA_VARIABLE, runBackendCase } from './backend-data.ts';
import type { Verdict } from './backend-data.ts';

export interface GoldenCase {
  readonly rule: string;
  readonly differences?: boolean;
}

/** @param root the project's folder. Prints what differs or does not run. */
export async function writePage(root: string): Promise<void> {
  const data = process.env[DATA_VARIABLE];
  if (data === undefined) throw new Error(`${DATA_VARIABLE} names no folder`);
  const verdicts: Verdict[] = [];
  for (const folder of backendCases(data)) verdicts.push(await runBackendCase(folder));
  for (const { name, operators, outcome, why } of verdicts)
    if (outcome === 'differs' || outcome === 'not run')
      console.log(`${outcome}: ${name} (${operators.join()}): ${why}`);
  writeFileSync(join(root, 'docs/results/operators.md'), pageOf(goldenCasesOf(root), verdicts));
}

/** All that PyTorch was asked of rules. @param root the project's folder. */
export function goldenCasesOf(root: string): readonly GoldenCase[] {
  return ['operators', 'gradients', 'losses'].flatMap((file) =>
    goldenCases(join(root, 'test/golden', `${file}.safetensors`)),
  );
}

function goldenCases(path: string): readonly GoldenCase[] {
  const read = decodeSafetensors(new Uint8Array(readFileSync(path)));
  if (!read.ok) throw new Error(`${path} ${read.error}`);
  return (JSON.parse(read.value.metadata['golden'] ?? '') as { readonly cases: readonly GoldenCase[] }).cases;
}

function pageOf(golden: readonly GoldenCase[], verdicts: readonly Verdict[]): string {
  const claimed = verdicts.filter(
    ({ operators }) => operators.length > 0 && operators.every((op) => gradientRules.has(op)),
  );
  const passed = claimed.filter(({ outcome }) => outcome === 'passed').length;
  const kinds = [...gradientRules.values()].map(({ kind }) => kind);
  const count = (kind: string): number => kinds.filter((other) => other === kind).length;
  return [
    '# Operators',
    '',
    'Made by `node bench/operators/all.mjs`. An operator that is not here runs in a forward pass if onnxruntime has it, and is refused by name where it lies between a trained parameter and the loss.',
    '',
    `- ${count('gradient')} operators have a gradient, ${count('no-gradient')} have none because their derivative is zero wherever it exists, ${count('refuse')} are refused with a reason.`,
    `- Of ${verdicts.length} models of ONNX's backend test data, ${claimed.length} hold only operators of this table; ${passed} of them are imported and give the expected outputs, ${claimed.filter(({ outcome }) => outcome === 'refused').length} are refused on import, ${claimed.filter(({ outcome }) => outcome === 'differs').length} differ, ${claimed.filter(({ outcome }) => outcome === 'not run').length} do not run. Reasons are below.`,
    '- PyTorch: cases whose outputs and gradients are compared with PyTorch in float64. Differences: cases that also agree with central differences of the forward pass. ONNX: cases passed of those that hold the operator.',
    '',
    '| operator | rule | PyTorch | differences | ONNX |',
    '| --- | --- | --- | --- | --- |',
    ...[...gradientRules]
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([name, rule]) => {
        const cases = golden.filter((test) => test.rule === name);
        const onnx = claimed.filter(({ operators }) => operators.includes(name));
        const through = onnx.filter(({ outcome }) => outcome === 'passed').length;
        const what =
          rule.kind === 'gradient' ? 'gradient' : `${rule.kind === 'refuse' ? 'refused' : 'no gradient'}: ${rule.why}`;
        return row([
          name,
          what,
          ...countsOf(cases).map((n) => (rule.kind === 'gradient' ? String(n) : '')),
          onnx.length === 0 ? '' : `${through} of ${onnx.length}`,
        ]);
      }),
    '',
    '## Claimed cases that do not pass',
    '',
    '| case | outcome | why |',
    '| --- | --- | --- |',
    ...claimed.filter(({ outcome }) => outcome !== 'passed').map(({ name, outcome, why }) => row([name, outcome, why])),
    '',
  ].join('\n');
}

/** Of one rule: how many cases, and how many that agree with central differences too. */
export function countsOf(cases: readonly GoldenCase[]): readonly [cases: number, differences: number] {
  return [cases.length, cases.filter((test) => test.differences === true).length];
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}
