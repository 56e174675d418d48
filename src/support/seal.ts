// A seal: 64 bits of the SHA-256 of a text, short enough for every line of a journal. It finds damage of any kind; against
// somebody who makes a new seal for what they changed it is no help, and is not meant to be.
import { hash } from 'node:crypto';
import { canonicalJson } from './canonical-json.ts';
import type { JsonObject } from './json.ts';

const CHARACTERS = 16;

/** Text as UTF-8. */
export function sealOf(text: string | Uint8Array): string {
  return hash('sha256', text, 'hex').slice(0, CHARACTERS);
}

/** The document with a seal over all of it as its last field. */
export function withSeal(document: JsonObject): JsonObject {
  return { ...document, seal: sealOf(canonicalJson(document)) };
}

/** The document below a seal that holds; undefined when there is none, or another. */
export function belowSeal({ seal, ...document }: JsonObject): JsonObject | undefined {
  return seal === sealOf(canonicalJson(document)) ? document : undefined;
}
