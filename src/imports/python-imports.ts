// Which modules a Python file imports, read from its text: import statements outside strings and comments. What is imported
// by a computed name (importlib, __import__) is not seen.

export interface PythonImport {
  /** How many dots stand before the module: 0 for an absolute import. */
  readonly level: number;
  readonly module: readonly string[];
  /** What is taken from it, any of which may be a module itself. */
  readonly names: readonly string[];
}

export function pythonImports(text: string): readonly PythonImport[] {
  return logicalLines(text).flatMap((line) =>
    line
      .split(';')
      .flatMap((statement) => parseStatement(statement.replace(/^.*:(?=\s*(?:from|import)\b)/, '').trim())),
  );
}

function parseStatement(statement: string): readonly PythonImport[] {
  const from =
    /^from\s*(\.*)\s*([\w.]*)\s+import\b(.*)$/s.exec(statement) ?? /^from\s+(\.+)()import\b(.*)$/s.exec(statement);
  if (from !== null) {
    const [, dots = '', module = '', names = ''] = from;
    return [{ level: dots.length, module: parts(module), names: listed(names).filter((name) => name !== '*') }];
  }
  const plain = /^import\s+(.*)$/s.exec(statement);
  return plain === null ? [] : listed(plain[1] ?? '').map((module) => ({ level: 0, module: parts(module), names: [] }));
}

/** `(a as b, c)` → a, c. */
function listed(text: string): readonly string[] {
  return text
    .replace(/[()]/g, ' ')
    .split(',')
    .map((item) => /^[\w.*]+/.exec(item.trim())?.[0] ?? '')
    .filter((item) => item !== '');
}

function parts(module: string): readonly string[] {
  return module.split('.').filter((part) => part !== '');
}

/** Lines as Python joins them (in brackets, after a backslash), without comments, every string as ''. */
function logicalLines(text: string): readonly string[] {
  const lines: string[] = [];
  let line = '';
  let depth = 0;
  const token = /\\\r?\n|#[^\n]*|'''|"""|['"]|[([{]|[)\]}]|\r?\n|[^\\#'"()[\]{}\r\n]+|[\s\S]/g;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const [found] = match;
    if (found.startsWith('#')) continue;
    if (found === `'` || found === `"` || found === `'''` || found === `"""`) {
      token.lastIndex = endOfString(text, token.lastIndex, found);
      line += `''`;
    } else if (/^\\\r?\n$/.test(found)) line += ' ';
    else if (/^\r?\n$/.test(found)) {
      if (depth > 0) line += ' ';
      else {
        lines.push(line);
        line = '';
      }
    } else {
      if ('([{'.includes(found)) depth++;
      else if (')]}'.includes(found)) depth = Math.max(0, depth - 1);
      line += found;
    }
  }
  lines.push(line);
  return lines;
}

/** Behind the closing quote. A string of one line that is not closed ends with its line. */
function endOfString(text: string, start: number, quote: string): number {
  for (let at = start; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text.startsWith(quote, at)) return at + quote.length;
    else if (quote.length === 1 && text[at] === '\n') return at;
  }
  return text.length;
}
