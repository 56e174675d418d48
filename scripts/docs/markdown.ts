// Tables and headings of the generated pages.
import type { Row } from './schema-words.ts';

export const generatedNote = (command: string): string =>
  `<!-- Made by \`${command}\` from the schemas and the code; not to be edited. -->`;

export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(titles), line(titles.map(() => '---')), ...rows.map(line)].join('\n');
}

export function settingsTable(rows: readonly Row[]): string {
  return table(
    ['name', 'type', 'default', 'description'],
    rows.map(({ name, type, required, fallback, text }) => [
      `\`${name}\``,
      type,
      required ? 'required' : fallback,
      text,
    ]),
  );
}

/** The part of a link behind `#`, as GitHub makes it of a heading. */
export function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

function cell(text: string): string {
  return text
    .replaceAll('|', '\\|')
    .replaceAll(/\s*\n\s*/g, ' ')
    .replaceAll('<', '&lt;')
    .replaceAll(/`[^`]*`/g, (code) => code.replaceAll('&lt;', '<'));
}
