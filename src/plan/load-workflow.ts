// From a path to a plan: reads the workflow and the params file, and looks whether the files that stages name exist.
// The only file of `plan/` that touches the file system.
import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileMissing } from '../diagnostics/catalogue/graph.ts';
import { fileTooLarge, fileUnreadable } from '../diagnostics/catalogue/source.ts';
import { sortDiagnostics } from '../diagnostics/diagnostic.ts';
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import type { Located } from '../diagnostics/located-json.ts';
import type { SourceDocument } from '../diagnostics/source.ts';
import { parseJson } from '../spec/json-syntax.ts';
import { parseWorkflow } from '../spec/parse-workflow.ts';
import { decodeSource, maxBytes } from '../spec/read-source.ts';
import { err, ok } from '../support/result.ts';
import type { Result } from '../support/result.ts';
import { makePlan } from './make-plan.ts';
import type { FileUse } from './make-plan.ts';
import type { Plan } from './plan.ts';

export interface LoadOptions {
  /** Path of a params file. */
  readonly params?: string;
  /** The words after each `--set`: `a.b=1`. */
  readonly set?: readonly string[];
  /** What the paths in the workflow are relative to; by default the current folder. */
  readonly root?: string;
  /**
   * Hears of every file that was looked at, whether or not it was there and the plan came about: sources of the plan (the
   * workflow, what it includes, params) as they were named, and what stages read, absolute. Watching follows them.
   */
  readonly onLook?: (path: string, as: LookedAtAs) => void;
}

export type LookedAtAs = 'source' | 'data';

export async function loadWorkflow(
  path: string,
  options: LoadOptions = {},
): Promise<Result<Plan, readonly Diagnostic[]>> {
  const source = await readSource(path, options);
  if (!source.ok) return source;
  const spec = parseWorkflow(source.value);
  if (!spec.ok) return err(sortDiagnostics(spec.error));
  const params = options.params === undefined ? ok([]) : await readParams(options.params, options);
  if (!params.ok) return params;
  const made = makePlan(spec.value, { params: params.value, set: options.set ?? [] });
  if (!made.ok) return made;
  const missing = await missingFiles(made.value.files, options);
  return missing.length > 0 ? err(sortDiagnostics(missing)) : ok(made.value.plan);
}

async function readSource(
  path: string,
  { onLook }: LoadOptions,
): Promise<Result<SourceDocument, readonly Diagnostic[]>> {
  onLook?.(path, 'source');
  try {
    const { size } = await stat(path);
    if (size > maxBytes) return err([fileTooLarge(path, size, maxBytes)]);
    return decodeSource(path, await readFile(path));
  } catch (error) {
    return err([fileUnreadable(path, reasonOf(error))]);
  }
}

async function readParams(
  path: string,
  options: LoadOptions,
): Promise<Result<readonly Located[], readonly Diagnostic[]>> {
  const source = await readSource(path, options);
  if (!source.ok) return source;
  const node = parseJson(source.value);
  return node.ok ? ok([node.value]) : err(sortDiagnostics(node.error));
}

async function missingFiles(
  files: readonly FileUse[],
  { root = '.', onLook }: LoadOptions,
): Promise<readonly Diagnostic[]> {
  for (const { path } of files) onLook?.(resolve(root, path), 'data');
  const problems = await Promise.all(
    files.map(async ({ stage, path, at }) =>
      (await exists(resolve(root, path))) ? [] : [fileMissing(at, path, stage)],
    ),
  );
  return problems.flat();
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

const reasons: { readonly [code: string]: string } = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder',
  EACCES: 'permission denied',
};

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return reasons[code] ?? (error instanceof Error ? error.message : String(error));
}
