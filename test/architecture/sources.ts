// The project's sources and what each imports, type imports and dynamic imports included.
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

export interface Source {
  /** From the project's root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** Files of the project, as `path`. */
  readonly files: readonly string[];
  /** Packages from the registry, by package name. */
  readonly packages: readonly string[];
  /** `node:fs` and the like. */
  readonly builtins: readonly string[];
}

export function readSources(folder: string): readonly Source[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|mjs)$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort()
    .map(readSource);
}

function readSource(path: string): Source {
  const text = readFileSync(join(root, path), 'utf8');
  const names = ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName);
  const local = (name: string): boolean => name.startsWith('.');
  return {
    path,
    text,
    files: names.filter(local).map((name) => posix.join(posix.dirname(path), name)),
    packages: [...new Set(names.filter((name) => !local(name) && !name.startsWith('node:')).map(packageOf))],
    builtins: names.filter((name) => name.startsWith('node:')),
  };
}

function packageOf(name: string): string {
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');
}

/** A shortest-first search for a way from each file back to itself; the first found, in order, or undefined. */
export function findCycle(sources: readonly Source[]): readonly string[] | undefined {
  const imports = new Map(sources.map(({ path, files }) => [path, files]));
  const finished = new Set<string>();
  for (const { path: start } of sources) {
    // Depth first with a list of what is open: never recursive, so that no depth is too deep.
    const open: { path: string; next: number }[] = [{ path: start, next: 0 }];
    while (open.length > 0) {
      const top = open.at(-1) as { path: string; next: number };
      const target = (imports.get(top.path) ?? [])[top.next++];
      if (target === undefined) {
        finished.add(top.path);
        open.pop();
        continue;
      }
      const at = open.findIndex(({ path }) => path === target);
      if (at >= 0) return [...open.slice(at).map(({ path }) => path), target];
      if (!finished.has(target)) open.push({ path: target, next: 0 });
    }
  }
  return undefined;
}
