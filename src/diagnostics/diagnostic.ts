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
  /** The line as written, for the code frame. */
  readonly lineText: string;
}

export interface Words {
  readonly message: string;
  readonly help?: string | undefined;
}

export function errorAt(code: Diagnostic['code'], place: Place, words: Words): Diagnostic {
  const { line, column } = positionOf(place.source, place.offset);
  const text = lineText(place.source, line);
  const rest = Math.max(1, text.length - (column - 1));
  return {
    code,
    severity: 'error',
    message: words.message,
    ...(words.help === undefined ? {} : { help: words.help }),
    file: place.source.file,
    line,
    column,
    length: Math.max(1, Math.min(place.length, rest)),
    lineText: text,
  };
}

/** A problem with a file as a whole. */
export function errorInFile(code: Diagnostic['code'], file: string, words: Words): Diagnostic {
  return {
    code,
    severity: 'error',
    message: words.message,
    ...(words.help === undefined ? {} : { help: words.help }),
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
    .filter((d) => {
      const identity = JSON.stringify([d.code, d.file, d.line, d.column, d.message]);
      return seen.has(identity) ? false : seen.add(identity);
    })
    .toSorted((a, b) => Number(a.file > b.file) - Number(a.file < b.file) || a.line - b.line || a.column - b.column);
}
