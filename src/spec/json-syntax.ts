// Text → JSON with the place of every part. Strict JSON: comments, trailing commas, duplicate keys and keys that would
// collide with a prototype are refused. The only file that knows jsonc-parser.
import { createScanner, visit } from 'jsonc-parser';
import {
  brokenJson,
  commentInJson,
  duplicateKey,
  emptyFile,
  numberOutOfRange,
  reservedKey,
  tooDeep,
  trailingComma,
} from '../diagnostics/catalogue/source.ts';
import { ENOUGH_PROBLEMS } from '../diagnostics/diagnostic.ts';
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import type { Located, Member } from '../diagnostics/located-json.ts';
import type { Place, SourceDocument } from '../diagnostics/source.ts';
import { err, ok } from '../support/result.ts';
import type { Result } from '../support/result.ts';

/** Levels of nesting that are read; the parser recurses, so deeper text is refused before it starts. */
export const maxDepth = 64;

/** They mean something to every object, and nothing good as a key. */
export const reservedKeys: ReadonlySet<string> = new Set(['__proto__', 'prototype', 'constructor']);

// The library declares its token kinds as ambient const enums, which isolated modules cannot read.
const token = {
  openBrace: 1,
  closeBrace: 2,
  openBracket: 3,
  closeBracket: 4,
  comma: 5,
  lineComment: 12,
  blockComment: 13,
  eof: 17,
};
const trivia = new Set([12, 13, 14, 15]);

const expectations: { readonly [code: number]: string } = {
  1: 'a value was expected',
  2: 'the number is malformed',
  3: 'a key in double quotes was expected',
  4: 'a value was expected',
  5: 'a colon was expected',
  6: 'a comma was expected',
  7: 'a closing brace was expected',
  8: 'a closing bracket was expected',
  9: 'the end of the file was expected',
  12: 'the string has no closing quote',
  13: 'the number is malformed',
  14: 'the \\u escape is malformed',
  15: 'there is no such escape',
  16: 'control characters in strings must be escaped',
};

export function parseJson(source: SourceDocument): Result<Located, readonly Diagnostic[]> {
  if (source.text.trim() === '') return err([emptyFile(place(source, 0, 1))]);
  const refused = scanTokens(source);
  if (refused.length > 0) return err(refused);
  const builder = new TreeBuilder(source);
  visit(source.text, builder.visitor(), { disallowComments: true, allowTrailingComma: false });
  return builder.result();
}

/** Problems that the recursive parser must not meet or reports less clearly: found on the flat list of tokens. */
function scanTokens(source: SourceDocument): readonly Diagnostic[] {
  const problems: Diagnostic[] = [];
  const scanner = createScanner(source.text, false);
  let depth = 0;
  let comma: Place | undefined;
  for (let kind: number = scanner.scan(); kind !== token.eof; kind = scanner.scan()) {
    const at = place(source, scanner.getTokenOffset(), scanner.getTokenLength());
    if (problems.length > ENOUGH_PROBLEMS) return problems;
    if (kind === token.lineComment || kind === token.blockComment) problems.push(commentInJson(at));
    if (trivia.has(kind)) continue;
    if (kind === token.openBrace || kind === token.openBracket) depth++;
    if (kind === token.closeBrace || kind === token.closeBracket) {
      if (comma !== undefined) problems.push(trailingComma(comma));
      depth--;
    }
    comma = kind === token.comma ? at : undefined;
    if (depth > maxDepth) return [...problems, tooDeep(at, maxDepth)];
  }
  return problems;
}

type Open =
  | {
      readonly type: 'object';
      readonly offset: number;
      readonly members: Map<string, Member>;
      key: { readonly name: string; readonly at: Place } | undefined;
    }
  | { readonly type: 'array'; readonly offset: number; readonly items: Located[] };

class TreeBuilder {
  private readonly problems: Diagnostic[] = [];
  private readonly open: Open[] = [];
  private syntax: Diagnostic | undefined;
  private root: Located | undefined;
  private readonly source: SourceDocument;

  constructor(source: SourceDocument) {
    this.source = source;
  }

  visitor(): Parameters<typeof visit>[1] {
    return {
      onObjectBegin: (offset) => void this.open.push({ type: 'object', offset, members: new Map(), key: undefined }),
      onArrayBegin: (offset) => void this.open.push({ type: 'array', offset, items: [] }),
      onObjectProperty: (name, offset, length) => this.startMember(name, place(this.source, offset, length)),
      onObjectEnd: (offset, length) => this.close(offset + length),
      onArrayEnd: (offset, length) => this.close(offset + length),
      onLiteralValue: (value: unknown, offset, length) =>
        this.add(this.literal(value, place(this.source, offset, length))),
      // After the first syntax error the parser guesses; its later complaints would only confuse.
      onError: (code, offset, length) => {
        this.syntax ??= brokenJson(place(this.source, offset, length), expectations[code] ?? 'it is malformed');
      },
    };
  }

  result(): Result<Located, readonly Diagnostic[]> {
    if (this.syntax !== undefined) return err([this.syntax]);
    if (this.root === undefined) return err([brokenJson(place(this.source, 0, 1), 'a value was expected')]);
    return this.problems.length > 0 ? err(this.problems) : ok(this.root);
  }

  private startMember(name: string, at: Place): void {
    const object = this.open.at(-1);
    if (object?.type !== 'object') return;
    const first = object.members.get(name);
    if (this.problems.length > ENOUGH_PROBLEMS) return void (object.key = { name, at });
    if (reservedKeys.has(name)) this.problems.push(reservedKey(at, name));
    if (first !== undefined) this.problems.push(duplicateKey(at, name, first.keyAt));
    object.key = { name, at };
  }

  private close(end: number): void {
    const closed = this.open.pop();
    if (closed === undefined) return;
    const at = place(this.source, closed.offset, end - closed.offset);
    this.add(
      closed.type === 'object'
        ? { type: 'object', at, members: closed.members }
        : { type: 'array', at, items: closed.items },
    );
  }

  private add(value: Located): void {
    const parent = this.open.at(-1);
    if (parent === undefined) this.root ??= value;
    else if (parent.type === 'array') parent.items.push(value);
    else if (parent.key !== undefined) {
      const { name, at } = parent.key;
      if (!parent.members.has(name)) parent.members.set(name, { key: name, keyAt: at, value });
      parent.key = undefined;
    }
  }

  private literal(value: unknown, at: Place): Located {
    if (typeof value === 'string') return { type: 'string', at, value };
    if (typeof value === 'boolean') return { type: 'boolean', at, value };
    if (typeof value !== 'number') return { type: 'null', at, value: null };
    if (!Number.isFinite(value)) this.problems.push(numberOutOfRange(at));
    return { type: 'number', at, value };
  }
}

function place(source: SourceDocument, offset: number, length: number): Place {
  return { source, offset, length };
}
