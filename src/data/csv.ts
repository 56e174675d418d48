// Two-column CSV lists with a header line, such as `file,class`. Quotes as in RFC 4180, on one line.
import { DataError } from './data-error.ts';

/** First column → second column, in the file's order. @throws DataError naming the line. */
export function readPairs(text: string, name: string, columns: readonly [string, string]): ReadonlyMap<string, string> {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const header = splitLine(lines[0] ?? '');
  if (header.length !== 2 || header[0] !== columns[0] || header[1] !== columns[1]) {
    throw new DataError(`${name}: the first line must be "${columns.join(',')}"`);
  }
  const pairs = new Map<string, string>();
  for (const [index, line] of lines.entries()) {
    if (index === 0 || line.trim() === '') continue;
    const [first, second, ...rest] = splitLine(line);
    if (first === undefined || second === undefined || rest.length > 0) {
      throw new DataError(`${name}, line ${index + 1}: two columns are needed`);
    }
    if (pairs.has(first)) throw new DataError(`${name}, line ${index + 1}: "${first}" is there twice`);
    pairs.set(first, second);
  }
  return pairs;
}

function splitLine(line: string): readonly string[] {
  const fields = [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))(?=,|$)/g)];
  return fields.map(([, quoted, plain]) =>
    quoted === undefined ? (plain ?? '').trim() : quoted.replaceAll('""', '"'),
  );
}
