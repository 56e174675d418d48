// The files of a project as imports are looked up in them: what is a file, what it says, how it is called in keys. Nothing
// outside the project, no dependencies that were installed into it. Every file is looked at once.
import { readFile, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';

/** Folders whose files are somebody else's, or made. */
const FOREIGN = new Set([
  'node_modules',
  'site-packages',
  'dist-packages',
  '.headgate',
  '.git',
  '.venv',
  'venv',
  '__pycache__',
]);

/** Larger files are data that happens to have a script's name: hashed, not searched. */
const LARGEST_SCRIPT_BYTES = 4 << 20;

export class ProjectFiles {
  readonly root: string;
  private readonly onLook: (path: string) => void;
  private readonly sizes = new Map<string, Promise<number | undefined>>();

  /**
   * @param root absolute
   * @param onLook hears of every path before it is looked at, whether or not anything is there
   */
  constructor(root: string, onLook: (path: string) => void = () => undefined) {
    this.root = root;
    this.onLook = onLook;
  }

  /** Relative to the root, with forward slashes; undefined for what is not the project's own. */
  nameOf(path: string): string | undefined {
    const way = relative(this.root, path);
    if (way === '' || isAbsolute(way)) return undefined;
    const steps = way.split(sep);
    return steps.some((step) => step === '..' || FOREIGN.has(step)) ? undefined : steps.join('/');
  }

  async isOwnFile(path: string): Promise<boolean> {
    return this.nameOf(path) !== undefined && (await this.sizeOf(path)) !== undefined;
  }

  async textOf(path: string): Promise<string> {
    const size = await this.sizeOf(path);
    return size === undefined || size > LARGEST_SCRIPT_BYTES ? '' : readFile(path, 'utf8').catch(() => '');
  }

  /** Of these, in their order, the files that are there. */
  async existing(paths: readonly string[]): Promise<readonly string[]> {
    const there = await Promise.all(paths.map((path) => this.isOwnFile(path)));
    return paths.filter((_, index) => there[index]);
  }

  private sizeOf(path: string): Promise<number | undefined> {
    const known = this.sizes.get(path);
    if (known !== undefined) return known;
    this.onLook(path);
    const size = stat(path).then(
      (info) => (info.isFile() ? info.size : undefined),
      () => undefined,
    );
    this.sizes.set(path, size);
    return size;
  }
}

/** `a/b` → what a module of that name may be called on disk. */
export function pythonModule(folder: string, module: readonly string[]): readonly string[] {
  const path = join(folder, ...module);
  return [`${path}.py`, join(path, '__init__.py')];
}
