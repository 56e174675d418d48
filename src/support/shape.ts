// Shapes of plain JSON, checked field by field: for documents of old forms that carry no seal of their own. A field that is
// not named is refused too, since a damaged name of an optional field would otherwise be a field that was never given.

export type Shape = (value: unknown) => boolean;

export const text: Shape = (value) => typeof value === 'string';
export const number: Shape = (value) => typeof value === 'number';
export const count: Shape = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
export const flag: Shape = (value) => typeof value === 'boolean';
export const anything: Shape = (value) => value !== undefined;
export const object: Shape = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
export const nullOr =
  (shape: Shape): Shape =>
  (value) =>
    value === null || shape(value);
export const oneOf =
  (...words: readonly unknown[]): Shape =>
  (value) =>
    words.includes(value);
export const listOf =
  (shape: Shape): Shape =>
  (value) =>
    Array.isArray(value) && value.every(shape);
export const mapOf =
  (shape: Shape): Shape =>
  (value) =>
    object(value) && Object.values(value as object).every(shape);

type Fields = { readonly [name: string]: Shape };

/** An object with these fields and no others. */
export function fields(required: Fields, optional: Fields = {}): Shape {
  const names = Object.keys(required);
  return (value) =>
    object(value) &&
    names.every((name) => Object.hasOwn(value as object, name)) &&
    Object.entries(value as object).every(([name, field]) => (ownIn(required, name) ?? ownIn(optional, name))?.(field));
}

/** An object whose field `tag` says which of these shapes the rest has. */
export function tagged(tag: string, shapes: { readonly [word: string]: Shape }): Shape {
  return (value) => {
    if (!object(value)) return false;
    const { [tag]: word, ...rest } = value as { readonly [name: string]: unknown };
    return typeof word === 'string' && ownIn(shapes, word)?.(rest) === true;
  };
}

function ownIn(shapes: { readonly [name: string]: Shape }, name: string): Shape | undefined {
  return Object.hasOwn(shapes, name) ? shapes[name] : undefined;
}
