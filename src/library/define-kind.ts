// A stage kind made by the calling program, for `loadWorkflow(path, { kinds: [defineKind(…)] })`.
import { isAbsolute, join, relative } from 'node:path';
import { schemaProblem } from '../spec/validators.ts';
import { declaredKind, type KindDeclaration } from '../stages/declared-kind.ts';
import { stageKinds } from '../stages/registry.ts';
import type { StageKind } from '../stages/stage-kind.ts';

export interface DefineKindOptions extends Omit<KindDeclaration, 'job'> {
  readonly job: {
    /** Program and arguments, to which the job's folder is added; `node` is the Node.js that runs headgate. */
    readonly argv: readonly [string, ...string[]];
    /** What relative words of `argv` that begin with `./`, and `code`, are relative to. */
    readonly folder: string;
    /** Files whose contents enter the key of every stage of this kind. */
    readonly code: readonly string[];
  };
}

/** @throws when the name is one of headgate's own kinds, or `settings` is no JSON Schema of draft 2020-12. */
export function defineKind({ job, ...declaration }: DefineKindOptions): StageKind {
  const { kind, settings } = declaration;
  if (stageKinds.has(kind)) throw new Error(`"${kind}" is one of headgate's own stage kinds`);
  const problem = settings === undefined ? undefined : schemaProblem(settings);
  if (problem !== undefined) throw new Error(`the settings of kind "${kind}" are no JSON Schema: ${problem}`);
  const place = (path: string): string => (isAbsolute(path) ? path : join(job.folder, path));
  const [program, ...args] = job.argv.map((word) => (word.startsWith('./') ? place(word) : word)) as [string];
  return declaredKind(
    { ...declaration, job },
    {
      argv: [program === 'node' ? process.execPath : program, ...args],
      declared: job.argv,
      code: job.code.map((path) => ({ name: `${kind}/${relative(job.folder, place(path))}`, path: place(path) })),
    },
  );
}
