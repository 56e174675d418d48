// Reads values out of parsed JSON that a file holds, with the place in every complaint. Not a schema language: the few
// small formats of this folder are read by hand, because the schema library belongs to the workflow's layer.
import { isJsonObject } from '../support/json.ts';
import { DataError } from './data-error.ts';

export class JsonReader {
  private readonly value: unknown;
  /** "dataset.json: image.mean". */
  private readonly place: string;

  constructor(value: unknown, place: string) {
    this.value = value;
    this.place = place;
  }

  static parse(text: string, place: string): JsonReader {
    try {
      return new JsonReader(JSON.parse(text), place);
    } catch (cause) {
      throw new DataError(`${place} is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`);
    }
  }

  has(key: string): boolean {
    return isJsonObject(this.value) && Object.hasOwn(this.value, key);
  }

  at(key: string): JsonReader {
    const object = this.object();
    return new JsonReader(Object.hasOwn(object, key) ? object[key] : undefined, this.child(key));
  }

  /** The same object with one more member, at the same place. */
  with(key: string, value: string): JsonReader {
    return new JsonReader({ ...this.object(), [key]: value }, this.place);
  }

  entries(): readonly (readonly [string, JsonReader])[] {
    return Object.entries(this.object()).map(([key, value]) => [key, new JsonReader(value, this.child(key))] as const);
  }

  items(): readonly JsonReader[] {
    if (!Array.isArray(this.value)) throw this.wrong('a list');
    return (this.value as readonly unknown[]).map((item, index) => new JsonReader(item, `${this.place}[${index}]`));
  }

  /** Refuses keys that nobody would read. */
  onlyKeys(keys: readonly string[]): void {
    const extra = Object.keys(this.object()).find((key) => !keys.includes(key));
    if (extra !== undefined) {
      throw new DataError(`${this.place} has the unknown key "${extra}"`, `Known keys: ${keys.join(', ')}.`);
    }
  }

  string(): string {
    if (typeof this.value !== 'string') throw this.wrong('a string');
    return this.value;
  }

  oneOf<T extends string>(words: readonly T[]): T {
    const found = words.find((word) => word === this.value);
    if (found === undefined) throw this.wrong(`one of ${words.map((word) => `"${word}"`).join(', ')}`);
    return found;
  }

  isText(): boolean {
    return typeof this.value === 'string';
  }

  isNumber(): boolean {
    return typeof this.value === 'number';
  }

  boolean(): boolean {
    if (typeof this.value !== 'boolean') throw this.wrong('true or false');
    return this.value;
  }

  number(): number {
    if (typeof this.value !== 'number' || !Number.isFinite(this.value)) throw this.wrong('a number');
    return this.value;
  }

  integer(least: number, most: number): number {
    const number = this.number();
    if (!Number.isInteger(number) || number < least || number > most) {
      throw this.wrong(`a whole number from ${least} to ${most}`);
    }
    return number;
  }

  strings(): readonly string[] {
    return this.items().map((item) => item.string());
  }

  numbers(): readonly number[] {
    return this.items().map((item) => item.number());
  }

  wrong(wanted: string): DataError {
    const shown = this.value === undefined ? 'missing' : JSON.stringify(this.value).slice(0, 60);
    return new DataError(`${this.place} must be ${wanted}; it is ${shown}`);
  }

  private object(): { readonly [key: string]: unknown } {
    if (!isJsonObject(this.value)) throw this.wrong('an object');
    return this.value;
  }

  private child(key: string): string {
    return this.place.includes(': ') ? `${this.place}.${key}` : `${this.place}: ${key}`;
  }
}
