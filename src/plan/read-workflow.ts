// Reads a workflow file and every file it includes. Included files must be inside the root, or beside the workflow.
import { realpath } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { includeCycle, includeOutside, includeUnreadable, tooManyIncludes } from '../diagnostics/catalogue/groups.ts';
import { sortDiagnostics } from '../diagnostics/diagnostic.ts';
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import { innerPlace } from '../diagnostics/located-json.ts';
import type { Located } from '../diagnostics/located-json.ts';
import { mergeSpecs } from '../spec/merge-specs.ts';
import { parseWorkflow } from '../spec/parse-workflow.ts';
import type { WorkflowSpec } from '../spec/workflow-spec.ts';
import { err, ok } from '../support/result.ts';
import type { Result } from '../support/result.ts';
import { readSource, type Looking } from './read-document.ts';

const maxIncludes = 200;

export async function readWorkflow(
  path: string,
  root: string,
  looking: Looking,
): Promise<Result<WorkflowSpec, readonly Diagnostic[]>> {
  const source = await readSource(path, looking);
  if (!source.ok) return source;
  const spec = parseWorkflow(source.value);
  if (!spec.ok) return err(sortDiagnostics(spec.error));
  if (spec.value.include.length === 0) return spec;
  // A root that is not there yet is made by the first run.
  const homes = await Promise.all([root, dirname(path)].map((folder) => realpath(folder).catch(() => folder)));
  const reader = new IncludeReader(homes, looking);
  const whole = await reader.withParts(spec.value, path, [path]);
  return reader.problems.length > 0 ? err(sortDiagnostics(reader.problems)) : ok(whole);
}

class IncludeReader {
  readonly problems: Diagnostic[] = [];
  private readonly homes: readonly string[];
  private readonly looking: Looking;
  /** Real paths: a file that is included from two sides is read once. */
  private readonly seen = new Set<string>();

  constructor(homes: readonly string[], looking: Looking) {
    this.homes = homes;
    this.looking = looking;
  }

  /** @param chain the files that are being read, from the workflow to this one. */
  async withParts(spec: WorkflowSpec, path: string, chain: readonly string[]): Promise<WorkflowSpec> {
    const parts: WorkflowSpec[] = [];
    for (const node of spec.include) {
      const part = await this.part(node, path, chain);
      if (part !== undefined) parts.push(part);
    }
    return mergeSpecs(spec, parts, this.problems);
  }

  private async part(node: Located, from: string, chain: readonly string[]): Promise<WorkflowSpec | undefined> {
    if (node.type !== 'string') return undefined;
    const at = innerPlace(node);
    const path = join(dirname(from), node.value);
    const real = await realpath(path).catch(() => undefined);
    if (isAbsolute(node.value) || (real !== undefined && !this.homes.some((home) => isInside(home, real))))
      return void this.problems.push(includeOutside(at, node.value));
    const names = await Promise.all(chain.map((file) => realpath(file)));
    const before = real === undefined ? -1 : names.indexOf(real);
    if (before >= 0) return void this.problems.push(includeCycle(at, [...chain.slice(before), path]));
    if (real !== undefined && this.seen.has(real)) return undefined;
    if (this.seen.size >= maxIncludes) return void this.problems.push(tooManyIncludes(at, maxIncludes));
    if (real !== undefined) this.seen.add(real);

    const source = await readSource(path, this.looking);
    if (!source.ok) {
      // A file that cannot be read has no place of its own: the one that names it has.
      const unplaced = source.error.find(({ line }) => line === 0);
      this.problems.push(
        ...(unplaced === undefined ? source.error : [includeUnreadable(at, node.value, unplaced.message)]),
      );
      return undefined;
    }
    const spec = parseWorkflow(source.value, 'part');
    if (spec.ok) return this.withParts(spec.value, path, [...chain, path]);
    this.problems.push(...spec.error);
    return undefined;
  }
}

function isInside(folder: string, path: string): boolean {
  const way = relative(resolve(folder), path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
