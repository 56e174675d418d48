// A problem in what the user wrote, as a value: code, place, words, help. Made only by the constructors in `catalogue/`.
import { lineText, positionOf } from './source.ts';
import type { Place } from './source.ts';

export interface Diagnostic {
  /** `HG1104`: stable, to look up and to test against. */
  readonly code: `HG${number}`;
  readonly severity: 'error' | 'warning';
  readonly message: string;
  readonly help?: string;
  readonly file: string;
  /** 1-based; 0 where the problem has no place in the text (a file that cannot be read). */
  readonly line: number;
  readonly column: number;
  /** Characters of the line that the problem covers. */
  readonly length: number;
  /** The line as written, for the code frame; of a very long line the part around the problem. */
  readonly lineText: string;
  /** Characters of the line before `lineText`; 0 unless the line is very long. */
  readonly lineOffset?: number;
  /** The substitutions through which the value came to where it is wrong, the nearest to it first. */
  readonly usedAt?: readonly Use[];
}

export interface Use {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  readonly column: number;
  /** `{"$param": "threads"}`, on one line. */
  readonly text: string;
}

export interface Words {
  readonly message: string;
  readonly help?: string | undefined;
}

export function errorAt(code: Diagnostic['code'], place: Place, words: Words): Diagnostic {
  return diagnosticAt('error', code, place, words);
}

/** Told beside a plan that can run: what is hardly meant, and has a use. */
export function warningAt(code: Diagnostic['code'], place: Place, words: Words): Diagnostic {
  return diagnosticAt('warning', code, place, words);
}

function diagnosticAt(
  severity: Diagnostic['severity'],
  code: Diagnostic['code'],
  place: Place,
  words: Words,
): Diagnostic {
  const { line, column } = positionOf(place.source, place.offset);
  const whole = lineText(place.source, line);
  const rest = Math.max(1, whole.length - (column - 1));
  // A file on one line would otherwise be repeated with each of its problems.
  const lineOffset = whole.length > LONGEST_LINE ? Math.max(0, column - 1 - LONGEST_LINE / 2) : 0;
  return {
    code,
    severity,
    ...clipped(words),
    file: place.source.file,
    line,
    column,
    length: Math.max(1, Math.min(place.length, rest, LONGEST_LINE)),
    lineText: whole.slice(lineOffset, lineOffset + LONGEST_LINE),
    ...(lineOffset === 0 ? {} : { lineOffset }),
    ...(place.usedAt === undefined ? {} : { usedAt: place.usedAt.map(useAt) }),
  };
}

function useAt({ source, offset, length }: Place): Use {
  const text = source.text.slice(offset, offset + Math.min(length, LONGEST_LINE)).replaceAll(/\s+/g, ' ');
  return { file: source.file, ...positionOf(source, offset), text };
}

/** As many problems as anyone reads: whoever has found so many need not look for more. */
export const ENOUGH_PROBLEMS = 200;

const LONGEST_LINE = 1000;
const LONGEST_WORDS = 30_000;

/** Names can be megabytes long. */
function clipped({ message, help }: Words): { readonly message: string; readonly help?: string } {
  return { message: clip(message), ...(help === undefined ? {} : { help: clip(help) }) };
}

function clip(text: string): string {
  if (text.length <= LONGEST_WORDS) return text;
  return `${text.slice(0, LONGEST_WORDS / 2)} … ${text.slice(-LONGEST_WORDS / 2)}`;
}

/** A problem with a file as a whole. */
export function errorInFile(code: Diagnostic['code'], file: string, words: Words): Diagnostic {
  return diagnosticInFile('error', code, file, words);
}

/** A doubt about a file as a whole, told beside a plan that can run. */
export function warningInFile(code: Diagnostic['code'], file: string, words: Words): Diagnostic {
  return diagnosticInFile('warning', code, file, words);
}

function diagnosticInFile(
  severity: Diagnostic['severity'],
  code: Diagnostic['code'],
  file: string,
  words: Words,
): Diagnostic {
  return {
    code,
    severity,
    ...clipped(words),
    file,
    line: 0,
    column: 0,
    length: 0,
    lineText: '',
  };
}

/** In the order of the text, each problem once: the instances of a fan-out share the lines they were written on. */
export function sortDiagnostics(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const seen = new Set<string>();
  return diagnostics
    .slice(0, ENOUGH_PROBLEMS)
    .filter((d) => {
      const identity = JSON.stringify([d.code, d.file, d.line, d.column, d.message]);
      return seen.has(identity) ? false : seen.add(identity);
    })
    .toSorted((a, b) => Number(a.file > b.file) - Number(a.file < b.file) || a.line - b.line || a.column - b.column);
}
