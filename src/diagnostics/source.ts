// Where something stands in a text the user wrote: a document, a span in it, and the line and column of a place.
// Not for reading files: the text is given.

/** A text the user wrote: a workflow, a params file, or the words after `--set`. */
export interface SourceDocument {
  /** As the user named it, for messages. */
  readonly file: string;
  readonly text: string;
  /** Offset of the first character of every line. */
  readonly lineStarts: readonly number[];
}

/** `length` characters (UTF-16 code units) from `offset`. */
export interface Place {
  readonly source: SourceDocument;
  readonly offset: number;
  readonly length: number;
  /** Of a value that was used elsewhere: the substitutions that it came through, the nearest to it first. */
  readonly usedAt?: readonly Place[];
}

export interface Position {
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 code units, as editors count. */
  readonly column: number;
}

export function sourceDocument(file: string, text: string): SourceDocument {
  const lineStarts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) lineStarts.push(at + 1);
  return { file, text, lineStarts };
}

export function positionOf(source: SourceDocument, offset: number): Position {
  let low = 0;
  let high = source.lineStarts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((source.lineStarts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return { line: low + 1, column: offset - (source.lineStarts[low] ?? 0) + 1 };
}

/** The text of a 1-based line, without its line break. */
export function lineText(source: SourceDocument, line: number): string {
  const start = source.lineStarts[line - 1] ?? 0;
  const next = source.lineStarts[line];
  const end = next === undefined ? source.text.length : next - 1;
  return source.text.slice(start, source.text[end - 1] === '\r' && end > start ? end - 1 : end);
}

/** `workflows/drive.json:14:18`, for messages that mention a second place. */
export function placeText(place: Place): string {
  const { line, column } = positionOf(place.source, place.offset);
  return `${place.source.file}:${line}:${column}`;
}
