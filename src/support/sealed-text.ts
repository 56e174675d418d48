// Text that says of itself whether it is whole: its first line is the digest of the rest. For caches, which may be read
// after anything happened to them and must then count as missing, never as something else.
import { digestBytes } from './digest.ts';
import { isMissing, isNoFile } from './missing-files.ts';
import { readSmallFile } from './regular-file.ts';

export function sealed(body: string): string {
  return `${digestBytes(body)}\n${body}`;
}

/** The text below the seal, or undefined when it is torn, altered or none. */
export function unsealed(text: string): string | undefined {
  const end = text.indexOf('\n');
  const body = text.slice(end + 1);
  return end === 64 && text.slice(0, end) === digestBytes(body) ? body : undefined;
}

/** The JSON of a sealed file; undefined when it is missing or broken. */
export function readSealedJson(path: string): unknown {
  try {
    const body = unsealed(readSmallFile(path));
    return body === undefined ? undefined : (JSON.parse(body) as unknown);
  } catch (error) {
    if (error instanceof SyntaxError || isMissing(error) || isNoFile(error)) return undefined;
    throw error;
  }
}
