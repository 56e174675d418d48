// The user's code that `command` stages run: files that their arguments name, and all that those import from the project.
// Reads files; what it finds becomes files of the stage, hashed into its key under their paths from the root.
import { delimiter, dirname, join, resolve } from 'node:path';
import { ImportedFiles, MOST_FILES } from '../imports/imported-files.ts';
import { ProjectFiles, pythonModule } from '../imports/project-files.ts';
import { isJsonObject, type Json } from '../support/json.ts';
import type { Plan, PlannedStage } from './plan.ts';
import type { Looking } from './read-document.ts';

export interface WithUserCode {
  readonly plan: Plan;
  /** Stages whose scripts import more than anyone can have meant. */
  readonly tooMany: readonly PlannedStage[];
}

/** Script endings: such a word of a command line is a file even without a folder before it. */
const SCRIPT = /\.(?:py|[mc]?[jt]sx?|sh|bash|zsh|rb|pl|php|lua|jl|r)$/i;

export async function withUserCode(plan: Plan, root: string, { onLook }: Looking = {}): Promise<WithUserCode> {
  const project = new ProjectFiles(resolve(root), (path) => onLook?.(path, 'code'));
  const imports = new ImportedFiles(project);
  const tooMany: PlannedStage[] = [];
  const stages = await Promise.all(
    plan.stages.map(async (stage) => {
      if (stage.runsOn !== 'command') return stage;
      const code = await codeOf(stage, project, imports);
      if (code.length > MOST_FILES) tooMany.push(stage);
      const named = new Set(stage.files.map(({ path }) => resolve(project.root, path)));
      const found = code.filter((path) => !named.has(path)).map((path) => project.nameOf(path) ?? path);
      const files = found.sort().map((name) => ({ name, path: name, code: true as const }));
      return files.length === 0 ? stage : { ...stage, files: [...stage.files, ...files] };
    }),
  );
  return { plan: { ...plan, stages }, tooMany };
}

async function codeOf(
  { settings, files }: PlannedStage,
  project: ProjectFiles,
  imports: ImportedFiles,
): Promise<readonly string[]> {
  const cwd = resolve(project.root, typeof settings['cwd'] === 'string' ? settings['cwd'] : '.');
  const words = Array.isArray(settings['argv']) ? settings['argv'].map(String) : [];
  const [program = '', ...rest] = words;
  const scripts = await project.existing([
    ...(program.includes('/') ? [resolve(project.root, program)] : []),
    ...rest.flatMap((word) => pathsIn(word).map((path) => resolve(cwd, path))),
  ]);
  const modules = await project.existing(modulesIn(rest).flatMap((module) => moduleFiles(cwd, module)));
  const explicit = await project.existing(files.map(({ path }) => resolve(project.root, path)));
  const entries = [...new Set([...scripts, ...modules, ...explicit])];
  const searchPath = new Set([
    ...entries.map((entry) => dirname(entry)),
    ...pythonPath(settings['env'], cwd),
    ...[cwd, project.root, join(project.root, 'src')],
  ]);
  return [...scripts, ...modules, ...(await imports.importedBy(entries, [...searchPath]))];
}

/** `train.py`, `conf/a.yaml`, `--config=conf/a.yaml`; nothing that becomes a path only when the job starts. */
function pathsIn(word: string): readonly string[] {
  if (/\{(?:input|output|outputs)\b/.test(word) || word.length > 1000) return [];
  const value = word.startsWith('-') ? word.slice(word.indexOf('=') + 1) : word;
  const isPath = value !== '' && !value.startsWith('-') && !value.includes('\n') && !value.includes('\0');
  return isPath && (value.includes('/') || SCRIPT.test(value)) ? [value] : [];
}

/** `python -m package.module`. */
function modulesIn(words: readonly string[]): readonly (readonly string[])[] {
  return words.flatMap((word, index) => {
    const before = words[index - 1];
    return before === '-m' && /^[A-Za-z_]\w*(?:\.\w+)*$/.test(word) ? [word.split('.')] : [];
  });
}

function moduleFiles(cwd: string, module: readonly string[]): readonly string[] {
  const packages = module.map((_, index) => join(cwd, ...module.slice(0, index + 1), '__init__.py'));
  return [...new Set([...packages, ...pythonModule(cwd, module), join(cwd, ...module, '__main__.py')])];
}

/** Where a workflow says so itself; one from the environment is not looked at. */
function pythonPath(env: Json | undefined, cwd: string): readonly string[] {
  const path = isJsonObject(env) ? env['PYTHONPATH'] : undefined;
  return typeof path === 'string' ? path.split(delimiter).map((folder) => resolve(cwd, folder)) : [];
}
