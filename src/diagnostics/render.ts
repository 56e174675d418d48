// Diagnostics as text: one head line, the line of the source with the problem underlined, the substitutions that the value
// came through, and the help.
// Plain unless a painter is given; which colours exist is the console's business.
import type { Diagnostic } from './diagnostic.ts';

export interface Painter {
  place(text: string): string;
  code(text: string): string;
  squiggle(text: string): string;
  help(text: string): string;
}

const plain: Painter = { place: same, code: same, squiggle: same, help: same };

/** Columns of a source line that are shown; a longer one is cut around the problem. */
const frameColumns = 110;

export function renderDiagnostics(diagnostics: readonly Diagnostic[], painter: Painter = plain): string {
  return diagnostics.map((diagnostic) => renderDiagnostic(diagnostic, painter)).join('\n');
}

export function renderDiagnostic(diagnostic: Diagnostic, painter: Painter = plain): string {
  const { file, line, column, code, severity, message, help } = diagnostic;
  const place = line === 0 ? file : `${file}:${line}:${column}`;
  const lines = [
    `${painter.place(place)} ${painter.code(severity === 'warning' ? `${code} warning:` : code)} ${message}`,
  ];
  // At the end of a file that breaks off there is nothing to show.
  if (line > 0 && diagnostic.lineText.trim() !== '') {
    const frame = codeFrame(diagnostic);
    lines.push(`    ${frame.text}`, `    ${frame.indent}${painter.squiggle('~'.repeat(frame.length))}`);
  }
  for (const use of diagnostic.usedAt ?? [])
    lines.push(`  used at ${painter.place(`${use.file}:${use.line}:${use.column}`)} as ${shortened(use.text)}`);
  if (help !== undefined) lines.push(`  ${painter.help('help:')} ${help.replaceAll('\n', '\n        ')}`);
  return `${lines.join('\n')}\n`;
}

function shortened(text: string): string {
  return text.length > frameColumns ? `${text.slice(0, frameColumns)} …` : text;
}

function codeFrame({ lineText, lineOffset = 0, column: wholeColumn, length }: Diagnostic): {
  text: string;
  indent: string;
  length: number;
} {
  const column = wholeColumn - lineOffset;
  const indentation = /^[ \t]*/.exec(lineText)?.[0].length ?? 0;
  const cut = Math.min(indentation, column - 1);
  let text = lineText.slice(cut).trimEnd();
  let start = column - 1 - cut;
  const kept = Math.min(length, frameColumns - 20);
  if (text.length > frameColumns) {
    const from = Math.max(0, Math.min(start - 30, text.length - frameColumns));
    const before = from > 0 ? '… ' : '';
    const after = from + frameColumns < text.length ? ' …' : '';
    text = `${before}${text.slice(from, from + frameColumns)}${after}`;
    start = start - from + before.length;
  }
  return { text, indent: text.slice(0, start).replaceAll(/[^\t]/g, ' '), length: kept };
}

function same(text: string): string {
  return text;
}
