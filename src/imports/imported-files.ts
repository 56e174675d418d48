// The files of a project that running a script reads: itself, and whatever it and they import from the project. Cycles are
// fine; every file is read once however many scripts share it.
import { basename, dirname, extname, join, resolve } from 'node:path';
import { javascriptImports } from './javascript-imports.ts';
import { pythonModule, type ProjectFiles } from './project-files.ts';
import { pythonImports } from './python-imports.ts';

export type Language = 'python' | 'javascript';

const LANGUAGES: { readonly [extension: string]: Language } = {
  '.py': 'python',
  ...Object.fromEntries(
    ['.js', '.mjs', '.cjs', '.jsx', '.ts', '.mts', '.cts', '.tsx'].map(
      (extension) => [extension, 'javascript'] as const,
    ),
  ),
};

/** More than this are not a script's imports but a mistake, or a reason to name the folder. */
export const MOST_FILES = 5000;

export class ImportedFiles {
  private readonly project: ProjectFiles;
  private readonly direct = new Map<string, Promise<readonly string[]>>();
  private readonly all = new Map<string, Promise<readonly string[]>>();

  constructor(project: ProjectFiles) {
    this.project = project;
  }

  /** Absolute paths of all that these scripts import, without themselves; cut after `MOST_FILES`. */
  importedBy(scripts: readonly string[], searchPath: readonly string[]): Promise<readonly string[]> {
    if (scripts.length === 0) return Promise.resolve([]);
    return once(this.all, JSON.stringify([scripts, searchPath]), () => this.follow(scripts, searchPath));
  }

  private async follow(scripts: readonly string[], searchPath: readonly string[]): Promise<readonly string[]> {
    const seen = new Set(scripts);
    const queue = [...scripts];
    for (let file = queue.pop(); file !== undefined && seen.size <= MOST_FILES; file = queue.pop()) {
      for (const imported of await this.directOf(file, searchPath)) {
        if (seen.has(imported)) continue;
        seen.add(imported);
        queue.push(imported);
      }
    }
    return [...seen].slice(scripts.length);
  }

  private directOf(file: string, searchPath: readonly string[]): Promise<readonly string[]> {
    return once(this.direct, JSON.stringify([file, searchPath]), () => this.read(file, searchPath));
  }

  private async read(file: string, searchPath: readonly string[]): Promise<readonly string[]> {
    const known = LANGUAGES[extname(file).toLowerCase()];
    if (known === undefined && extname(file) !== '') return [];
    const text = await this.project.textOf(file);
    switch (known ?? languageOf(text)) {
      case 'python':
        return this.python(file, text, searchPath);
      case 'javascript':
        return this.javascript(file, text);
      case undefined:
        return [];
    }
  }

  private async python(file: string, text: string, searchPath: readonly string[]): Promise<readonly string[]> {
    const candidates = pythonImports(text).flatMap(({ level, module, names }) => {
      // One dot is the folder of the file, each further one the folder above.
      const above = join(dirname(file), ...Array.from({ length: Math.max(0, level - 1) }, () => '..'));
      const folders = level > 0 ? [above] : searchPath;
      return folders.flatMap((folder) => [
        // `import a.b.c` runs the packages a and a.b too.
        ...(level > 0 ? [join(folder, '__init__.py')] : []),
        ...module.map((_, index) => join(folder, ...module.slice(0, index + 1), '__init__.py')),
        ...(module.length > 0 ? pythonModule(folder, module) : []),
        ...names.flatMap((name) => pythonModule(folder, [...module, name])),
      ]);
    });
    return this.project.existing([...new Set(candidates)]);
  }

  private async javascript(file: string, text: string): Promise<readonly string[]> {
    const found = await Promise.all(
      javascriptImports(text)
        .filter((specifier) => /^(?:\.{1,2}(?:\/|$)|\/|file:\/\/\/)/.test(specifier))
        .map(async (specifier) => {
          const path = resolve(dirname(file), specifier.replace(/^file:\/\//, '').replace(/[?#].*$/, ''));
          return (await this.project.existing(scriptNames(path))).slice(0, 1);
        }),
    );
    return [...new Set(found.flat())];
  }
}

function once<T>(known: Map<string, Promise<T>>, key: string, find: () => Promise<T>): Promise<T> {
  const found = known.get(key) ?? find();
  known.set(key, found);
  return found;
}

const SCRIPT_EXTENSIONS = ['.ts', '.tsx', '.mts', '.cts', '.js', '.mjs', '.cjs', '.jsx', '.json'];

/** As Node, bundlers and TypeScript look for it: as it is, a TypeScript source by the name of its output, with an ending, as a folder. */
function scriptNames(path: string): readonly string[] {
  const source = path.replace(/\.([mc]?)js(x?)$/, '.$1ts$2');
  return [
    path,
    ...(source === path ? [] : [source, source.replace(/\.ts$/, '.tsx')]),
    ...SCRIPT_EXTENSIONS.map((extension) => path + extension),
    ...SCRIPT_EXTENSIONS.map((extension) => join(path, `index${extension}`)),
  ];
}

/** Of a script without an ending, by its first line: `#!/usr/bin/env python3`. */
function languageOf(text: string): Language | undefined {
  if (!text.startsWith('#!')) return undefined;
  const words = (text.slice(2).split('\n', 1)[0] ?? '').trim().split(/\s+/);
  const programs = words.filter((word) => !word.startsWith('-')).map((word) => basename(word));
  const program = programs[0] === 'env' ? programs[1] : programs[0];
  if (program?.startsWith('python') === true) return 'python';
  return program !== undefined && /^(?:node|bun|deno|tsx)$/.test(program) ? 'javascript' : undefined;
}
