// What `headgate override` answers: what was recorded or removed, and the list of what people decided.
import type { RecordedOverride } from '../events/gate-override.ts';
import type { Colours } from './colours.ts';
import { byWords } from './gate-words.ts';
import { shortDigest } from './quantities.ts';

export function overrideText(
  { stage, override }: RecordedOverride,
  measured: string | undefined,
  { bold, dim }: Colours,
): string {
  const instead = measured === undefined || measured === override.case ? '' : ` in place of ${measured}`;
  return [
    `${stage} → ${bold(override.case)}${instead}, ${byWords(override)}`,
    dim(`until its numbers or cases change (key ${shortDigest(override.key)})`),
    '',
  ].join('\n');
}

export function overrideList(
  recorded: readonly RecordedOverride[],
  unreadable: readonly string[],
  { bold, dim, yellow }: Colours,
): string {
  if (recorded.length === 0 && unreadable.length === 0) return 'no gate is overridden\n';
  const lines = [
    ...recorded.map(
      ({ workflow, stage, override }) =>
        `${stage} → ${bold(override.case)} ${byWords(override)} ${dim(`(${workflow}, key ${shortDigest(override.key)})`)}`,
    ),
    ...unreadable.map((path) => `${yellow('damaged, or no override: no gate obeys it')}: ${path}`),
  ];
  return `${lines.join('\n')}\n`;
}
