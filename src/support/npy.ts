// NPY files (numpy format 1.0 and 2.0) ↔ tensors. Little-endian, C order; every size is checked before it is used.
// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
import { arrayOf, elementCount, tensorBytes, viewValues } from './tensor.ts';
import type { DType, Tensor } from './tensor.ts';
import { err, ok } from './result.ts';
import type { Result } from './result.ts';

const magic = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59); // \x93NUMPY
/** numpy itself refuses longer headers by default (max_header_size). */
const maxHeaderBytes = 10_000;
const maxRank = 32;

const descriptions: { readonly [type in DType]: string } = {
  float32: '<f4',
  float64: '<f8',
  int8: '|i1',
  uint8: '|u1',
  int16: '<i2',
  uint16: '<u2',
  int32: '<i4',
  int64: '<i8',
};

/** Byte for byte what `numpy.save` writes for a C-ordered array. */
export function encodeNpy(tensor: Tensor): Uint8Array {
  const header = npyHeader(tensor.dtype, tensor.shape);
  const bytes = new Uint8Array(header.length + tensor.data.byteLength);
  bytes.set(header);
  bytes.set(tensorBytes(tensor), header.length);
  return bytes;
}

/** The bytes before the values, for writers that stream them. */
export function npyHeader(dtype: DType, shape: readonly number[]): Uint8Array {
  const dims = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const text = `{'descr': '${descriptions[dtype]}', 'fortran_order': False, 'shape': ${dims}, }`;
  const wanted = magic.length + 4 + text.length + growthSpace(shape) + 1;
  const total = (Math.floor(wanted / 64) + 1) * 64;
  const header = new Uint8Array(total).fill(0x20);
  header.set(magic);
  header[6] = 1;
  header[7] = 0;
  new DataView(header.buffer).setUint16(8, total - 10, true);
  header.set(Buffer.from(text, 'latin1'), 10);
  header[total - 1] = 0x0a;
  return header;
}

/** numpy leaves room for the first axis to grow to 21 digits, so that files can be appended to. */
function growthSpace(shape: readonly number[]): number {
  return shape.length === 0 ? 0 : 21 - String(shape[0]).length;
}

/** The values share the given bytes where alignment allows. An error is one sentence without the file's name. */
export function decodeNpy(bytes: Uint8Array): Result<Tensor, string> {
  const read = readHeader(bytes);
  if (!read.ok) return read;
  const { dtype, shape, dataStart } = read.value;
  const count = elementCount(shape);
  const size = count * arrayOf[dtype].BYTES_PER_ELEMENT;
  const held = bytes.length - dataStart;
  if (!Number.isSafeInteger(size) || held !== size) {
    return err(`holds ${held} bytes of values, but its shape [${shape.join(', ')}] of ${dtype} needs ${size}`);
  }
  return ok({ dtype, shape, data: viewValues(dtype, bytes.subarray(dataStart)) });
}

interface Header {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly dataStart: number;
}

function readHeader(bytes: Uint8Array): Result<Header, string> {
  if (bytes.length < 10 || magic.some((byte, index) => bytes[index] !== byte)) return err('is not an NPY file');
  const [major, minor] = [bytes[6], bytes[7]];
  if ((major !== 1 && major !== 2) || minor !== 0)
    return err(`has NPY version ${major}.${minor}; 1.0 and 2.0 are read`);
  const lengthBytes = major === 1 ? 2 : 4;
  const headerStart = 8 + lengthBytes;
  if (bytes.length < headerStart) return err('ends inside its header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > maxHeaderBytes) return err(`has a header of ${length} bytes; at most ${maxHeaderBytes} are read`);
  if (headerStart + length > bytes.length) return err('ends inside its header');
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + headerStart, length).toString('latin1');
  const fields = parseHeader(text);
  return fields.ok ? ok({ ...fields.value, dataStart: headerStart + length }) : fields;
}

/** The header is a Python literal; only the three keys that numpy writes are accepted, in any order. */
function parseHeader(text: string): Result<{ dtype: DType; shape: readonly number[] }, string> {
  const body = /^\s*\{(.*)\}\s*$/s.exec(text)?.[1];
  if (body === undefined) return err('has a header that is not a dictionary');
  const entries = [...body.matchAll(/'([a-z_]+)'\s*:\s*('[^']*'|True|False|\([0-9L,\s]*\))\s*(?:,\s*|$)/g)];
  const fields = new Map(entries.map((entry) => [entry[1] as string, entry[2] as string]));
  const consumed = entries.reduce((sum, entry) => sum + entry[0].length, 0);
  const [descr, fortran, dims] = [fields.get('descr'), fields.get('fortran_order'), fields.get('shape')];
  if (consumed !== body.trimStart().length || fields.size !== 3 || entries.length !== 3) {
    return err('has a header that numpy does not write (structured or object arrays are not read)');
  }
  if (descr === undefined || fortran === undefined || dims === undefined)
    return err('has a header without descr, fortran_order and shape');
  if (fortran !== 'False') return err('is in Fortran order; save it with numpy.ascontiguousarray');
  const name = descr.slice(1, -1);
  const spelled = /^[<|][iu]1$/.test(name) ? `|${name.slice(1)}` : name;
  const dtype = (Object.keys(descriptions) as DType[]).find((key) => descriptions[key] === spelled);
  if (dtype === undefined)
    return err(`has element type '${name}'; little-endian ${Object.keys(descriptions).join(', ')} are read`);
  const sizes = dims
    .slice(1, -1)
    .split(',')
    .map((part) => part.trim());
  if (sizes.at(-1) === '') sizes.pop();
  if (sizes.length > maxRank || sizes.some((size) => !/^[0-9]{1,15}$/.test(size)))
    return err(`has the unreadable shape ${dims}`);
  return ok({ dtype, shape: sizes.map(Number) });
}
