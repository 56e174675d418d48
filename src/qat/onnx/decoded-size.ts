// What a file takes once it is read, told from its bytes alone: an empty node is two bytes in the file and some hundred in
// memory, so that 60 MB of them would take 9 GB. Walks the messages without making anything of them.
import { onnxProto } from './proto.ts';

interface Field {
  readonly type: string;
  readonly id: number;
}

const messages: ReadonlyMap<string, ReadonlyMap<number, string>> = new Map(
  Object.entries(onnxProto.nested).map(([name, { fields }]) => [
    name,
    new Map(Object.values<Field>(fields).map(({ id, type }) => [id, type])),
  ]),
);

/** Rounded up from what 1,000,000 of each take; the reader's form and the plain one are there together. */
const MESSAGE_BYTES = 400;
const TEXT_BYTES = 100;
const INTEGER_BYTES = 100;

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

/** Bytes of objects beside the file's own; stops counting above `most`. Damage ends the count: the reader tells it. */
export function objectBytes(file: Uint8Array, most: number): number {
  let total = 0;
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; at < file.length; factor *= 128) {
      const byte = file[at++] as number;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    return value;
  };
  const walk = (type: string, end: number): void => {
    const fields = messages.get(type);
    while (at < end && total <= most) {
      const tag = varint();
      const field = fields?.get(Math.floor(tag / 8));
      switch (tag % 8) {
        case VARINT:
          varint();
          total += field === undefined ? 0 : INTEGER_BYTES;
          break;
        case FIXED64:
          at += 8;
          break;
        case FIXED32:
          at += 4;
          break;
        case LENGTH: {
          const length = varint();
          const inside = Math.min(end, at + length);
          if (field === undefined) at = inside;
          else if (messages.has(field)) {
            total += MESSAGE_BYTES;
            walk(field, inside);
          } else if (field === 'int64') {
            for (; at < inside; at++) if ((file[at] as number) < 0x80) total += INTEGER_BYTES;
          } else if (field === 'string' || field === 'bytes') total += TEXT_BYTES;
          at = inside;
          break;
        }
        default:
          at = end;
      }
    }
  };
  walk('ModelProto', file.length);
  return total;
}
