// A file as a source document, or as JSON with places. Of `plan/` only this file, read-workflow.ts,
// load-workflow.ts and kind-packages.ts touch the file system.
import { fileTooLarge, fileUnreadable } from '../diagnostics/catalogue/source.ts';
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import type { Located } from '../diagnostics/located-json.ts';
import type { SourceDocument } from '../diagnostics/source.ts';
import { parseJson } from '../spec/json-syntax.ts';
import { decodeSource, maxBytes } from '../spec/read-source.ts';
import { NOT_A_FILE, readRegularFile } from '../support/regular-file.ts';
import { err } from '../support/result.ts';
import type { Result } from '../support/result.ts';

export type LookedAtAs = 'source' | 'data' | 'code';

export interface Looking {
  /**
   * Hears of every file that was looked at, whether or not it was there and the plan came about: sources of the plan (the
   * workflow, what it includes, params, kinds) as they were named, and what stages read, absolute: watching follows them.
   * And as `code` every path where a script or an import of one was looked for.
   */
  readonly onLook?: (path: string, as: LookedAtAs) => void;
}

export async function readSource(
  path: string,
  { onLook }: Looking = {},
): Promise<Result<SourceDocument, readonly Diagnostic[]>> {
  onLook?.(path, 'source');
  try {
    const content = await readRegularFile(path, maxBytes);
    return 'size' in content ? err([fileTooLarge(path, content.size, maxBytes)]) : decodeSource(path, content);
  } catch (error) {
    return err([fileUnreadable(path, reasonOf(error))]);
  }
}

export async function readLocatedJson(
  path: string,
  looking: Looking = {},
): Promise<Result<Located, readonly Diagnostic[]>> {
  const source = await readSource(path, looking);
  return source.ok ? parseJson(source.value) : source;
}

const reasons: { readonly [code: string]: string } = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'permission denied',
  ELOOP: 'its links lead in a circle',
  ENAMETOOLONG: 'the path is too long',
};

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === NOT_A_FILE && error instanceof Error) return error.message;
  return reasons[code] ?? (error instanceof Error ? error.message : String(error));
}
