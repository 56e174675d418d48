// Takes secret values out of text, bytes and JSON: the value itself and the forms it commonly takes on the way (JSON, URL and
// base64 encoding, its lines). Finds what is written whole; a value that is printed letter by letter is not found.

export interface Secret {
  readonly name: string;
  readonly value: string;
}

/** Shorter values could not be told from ordinary text. */
export const SHORTEST_SECRET = 4;

export interface Redactor {
  text(text: string): string;
  /** Every string of a JSON value, keys too. */
  json<T>(value: T): T;
  /** For bytes that come in pieces: a value that lies across two of them is found. */
  stream(): { write(piece: Buffer): Buffer; end(): Buffer };
  /** The name of the first secret in bytes that are all there. */
  firstIn(bytes: Buffer): string | undefined;
  /** How many bytes a form of a secret can have: what must be looked at together. */
  readonly longest: number;
}

export function redactorOf(secrets: readonly Secret[]): Redactor {
  const names = new Map<string, string>();
  for (const { name, value } of secrets) {
    for (const form of formsOf(value)) if (!names.has(form)) names.set(form, name);
  }
  const forms = [...names.keys()].sort((left, right) => right.length - left.length);
  const longest = forms[0]?.length ?? 0;
  const pattern = forms.length === 0 ? /(?!)/g : new RegExp(forms.map(escaped).join('|'), 'g');
  const label = (form: string): string => `[secret ${names.get(form) ?? ''}]`;
  const text = (plain: string): string =>
    forms.length === 0 ? plain : fromBytes(toBytes(plain).replace(pattern, label));

  const json = (value: unknown): unknown => {
    if (typeof value === 'string') return text(value);
    if (Array.isArray(value)) return value.map(json);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [text(key), json(item)]));
  };
  return {
    text,
    // Only strings change, and they stay strings.
    json: <T>(value: T) => (forms.length === 0 ? value : (json(value) as T)),
    firstIn: (bytes) => {
      pattern.lastIndex = 0;
      const found = pattern.exec(bytes.toString('latin1'));
      pattern.lastIndex = 0;
      return found === null ? undefined : names.get(found[0]);
    },
    longest,
    stream: () => streamOf(pattern, label, longest),
  };
}

function streamOf(pattern: RegExp, label: (form: string) => string, longest: number): ReturnType<Redactor['stream']> {
  let carried = '';
  return {
    write: (piece) => {
      if (longest === 0) return piece;
      const seen = carried + piece.toString('latin1');
      // A form may begin in the last bytes and go on in the next piece.
      let end = Math.max(0, seen.length - (longest - 1));
      for (const { index, 0: form } of seen.matchAll(pattern))
        if (index < end) end = Math.max(end, index + form.length);
      carried = seen.slice(end);
      return Buffer.from(seen.slice(0, end).replace(pattern, label), 'latin1');
    },
    end: () => Buffer.from(carried.replace(pattern, label), 'latin1'),
  };
}

/** As latin1 strings of their UTF-8 bytes, so that positions are bytes. */
function formsOf(value: string): readonly string[] {
  const lines = value.split(/\r?\n/).filter((line) => line.length >= 2 * SHORTEST_SECRET);
  const texts = [value, ...lines].flatMap((text) => [
    text,
    JSON.stringify(text).slice(1, -1),
    encodeURIComponent(text),
    encodeURIComponent(text).replaceAll('%20', '+'),
    encodeURIComponent(text).replace(/%../g, (code) => code.toLowerCase()),
    ...base64Forms(text),
  ]);
  return [...new Set(texts.map(toBytes))].filter((form) => form.length >= SHORTEST_SECRET);
}

/** What of a text's base64 does not depend on what stands before and after it, for each of the three ways it can lie. */
function base64Forms(text: string): readonly string[] {
  const bytes = Buffer.from(text, 'utf8');
  return [0, 1, 2].flatMap((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
    const whole = encoded.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
    return [whole, whole.replaceAll('+', '-').replaceAll('/', '_')];
  });
}

function toBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

function fromBytes(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
}
