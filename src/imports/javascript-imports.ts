// Which modules a JavaScript or TypeScript file imports, read from its tokens: import, export … from, require, import() and
// new URL() with a literal. What is imported by a computed name is not seen. A file that the reader loses its way in (a
// regular expression taken for a division, say) is searched for whatever looks like an import: one too many does no harm.

const BEFORE_SPECIFIER = new Set(['from', 'import']);
const CALLS = new Set(['import', 'require', 'resolve', 'URL']);

export function javascriptImports(text: string): readonly string[] {
  const found = new Set<string>();
  const sound = readTokens(text, (specifier) => found.add(specifier));
  if (!sound) {
    const lookalikes = /\b(?:from|import|require|require\.resolve|URL)\s*\(?\s*(['"`])((?:(?!\1)[^\\\n])+)\1/g;
    for (const [, , specifier] of text.matchAll(lookalikes)) if (specifier !== undefined) found.add(specifier);
  }
  return [...found];
}

/** What may stand before a regular expression rather than before a division. */
const BEFORE_REGEX =
  /^(?:return|typeof|case|do|else|in|of|instanceof|new|void|delete|throw|await|yield|[^\w$)\]}'"`]|)$/;

/** @returns false when the text ends inside something. */
function readTokens(text: string, onImport: (specifier: string) => void): boolean {
  const token =
    /\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/|[\w$\u0080-\uffff]+|'(?:\\[\s\S]|[^\\'\n])*'?|"(?:\\[\s\S]|[^\\"\n])*"?|[\s\S]/y;
  /** Depths of braces at which a template goes on. */
  const templates: number[] = [];
  let depth = 0;
  let last = '';
  let before = '';
  let filledIn = false; // the template being read is more than its text

  const step = (word: string): void => {
    before = last;
    last = word;
  };
  const specifier = (value: string): void => {
    if (last === '(' ? CALLS.has(before) : BEFORE_SPECIFIER.has(last)) onImport(value);
    step(`''`);
  };
  /** Reads on inside a template; the position behind it, or behind `${`. */
  const readTemplate = (start: number): number => {
    for (let at = start; at < text.length; at++) {
      if (text[at] === '\\') at++;
      else if (text[at] === '`') {
        if (filledIn) step(`''`);
        else specifier(text.slice(start, at));
        return at + 1;
      } else if (text.startsWith('${', at)) {
        templates.push(depth);
        depth++;
        step('{');
        return at + 2;
      }
    }
    return Infinity;
  };

  for (let at = 0; at < text.length;) {
    token.lastIndex = at;
    const word = token.exec(text)?.[0] ?? '';
    const first = word[0] ?? '';
    if (/\s/.test(first) || word.startsWith('//') || (word.startsWith('/*') && word.length > 1)) at += word.length;
    else if (first === `'` || first === '"') {
      specifier(word.slice(1, -1));
      at += word.length;
    } else if (first === '`') {
      filledIn = false;
      at = readTemplate(at + 1);
    } else if (first === '}' && templates.at(-1) === depth - 1) {
      depth--;
      templates.pop();
      filledIn = true;
      at = readTemplate(at + 1);
    } else if (first === '/' && text[at + 1] === '*') return false;
    else if (first === '/' && BEFORE_REGEX.test(last)) {
      const regex = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*/y;
      regex.lastIndex = at;
      const found = regex.exec(text)?.[0] ?? '/';
      step(found.length > 1 ? `''` : '/');
      at += found.length;
    } else {
      if (first === '{') depth++;
      else if (first === '}') depth--;
      step(word);
      at += word.length;
    }
    if (at === Infinity) return false;
  }
  return depth === 0 && templates.length === 0;
}
