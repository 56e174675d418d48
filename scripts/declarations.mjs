// The types of the library and of its kernel for those who import them: declarations of both entries and what they reach,
// with file endings that every module resolution understands.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import ts from 'typescript';
import { root } from './places.mjs';

const ENTRIES = ['src/library/main.ts', 'src/qat/main.ts'];

/** Writes `<folder>/library/main.d.ts`, `<folder>/qat/main.d.ts` and their like; says what TypeScript has against it. */
export function writeDeclarations(folder) {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const program = ts.createProgram(
    ENTRIES.map((entry) => join(root, entry)),
    {
      ...options,
      noEmit: false,
      noCheck: true, // `npm run typecheck` does that
      declaration: true,
      emitDeclarationOnly: true,
      rootDir: root,
      outDir: '/',
    },
  );
  const texts = new Map();
  const { diagnostics } = program.emit(undefined, (path, text) => {
    const source = relative('/', path)
      .split(sep)
      .join('/')
      .replace(/\.d\.ts$/, '.ts');
    if (source.startsWith('src/')) texts.set(source, text);
  });
  if (diagnostics.length > 0) {
    const host = { getCurrentDirectory: () => root, getCanonicalFileName: (name) => name, getNewLine: () => '\n' };
    throw new Error(ts.formatDiagnostics(diagnostics, host));
  }
  for (const source of reachable(texts)) {
    const path = join(folder, source.replace(/^src\//, '').replace(/\.ts$/, '.d.ts'));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, texts.get(source).replace(/(from '|import\(["'])(\.[^'"]*)\.ts(["'])/g, '$1$2.js$3'));
  }
}

/** The entries and what their types name, so that the published package holds no declarations of its insides. */
function reachable(texts) {
  const reached = new Set(ENTRIES);
  for (const source of reached) {
    const text = texts.get(source);
    if (text === undefined) throw new Error(`no declarations of ${source}`);
    for (const [, specifier] of text.matchAll(/(?:from |import\()['"](\.[^'"]*)['"]/g)) {
      reached.add(posix.join(posix.dirname(source), specifier));
    }
  }
  return reached;
}
