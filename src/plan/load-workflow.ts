// From a path to a plan: reads the workflow and the params file, and looks whether the files that stages name exist.
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileMissing, tooManyImports } from '../diagnostics/catalogue/graph.ts';
import { sortDiagnostics } from '../diagnostics/diagnostic.ts';
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import type { Located } from '../diagnostics/located-json.ts';
import { stageKinds } from '../stages/registry.ts';
import type { StageKind } from '../stages/stage-kind.ts';
import { err, ok } from '../support/result.ts';
import type { Result } from '../support/result.ts';
import { checkDescriptions } from './check-descriptions.ts';
import { withPackagedKinds } from './kind-packages.ts';
import { MOST_FILES } from '../imports/imported-files.ts';
import { makePlan } from './make-plan.ts';
import type { FileUse, MadePlan } from './make-plan.ts';
import type { Plan } from './plan.ts';
import { readLocatedJson, type Looking } from './read-document.ts';
import { readWorkflow } from './read-workflow.ts';
import { withUserCode } from './user-code.ts';

export type { LookedAtAs, Looking } from './read-document.ts';

export interface LoadOptions extends Looking {
  /** Path of a params file. */
  readonly params?: string;
  /** The words after each `--set`: `a.b=1`. */
  readonly set?: readonly string[];
  /** What the paths in the workflow are relative to; by default the current folder. */
  readonly root?: string;
  /** Stage kinds beside the built-in ones and those of the packages that the workflow lists. */
  readonly kinds?: readonly StageKind[];
}

export async function loadWorkflow(
  path: string,
  options: LoadOptions = {},
): Promise<Result<Plan, readonly Diagnostic[]>> {
  const loaded = await loadWithOrigins(path, options);
  return loaded.ok ? ok(loaded.value.plan) : loaded;
}

export type LoadedWorkflow = Pick<MadePlan, 'plan' | 'originOf'>;

/** For explanations: also where every setting was written. */
export async function loadWithOrigins(
  path: string,
  options: LoadOptions = {},
): Promise<Result<LoadedWorkflow, readonly Diagnostic[]>> {
  const spec = await readWorkflow(path, options.root ?? '.', options);
  if (!spec.ok) return spec;
  const params = options.params === undefined ? ok([]) : await readParams(options.params, options);
  if (!params.ok) return params;
  const problems: Diagnostic[] = [];
  const known = new Map([...stageKinds, ...(options.kinds ?? []).map((kind) => [kind.kind, kind] as const)]);
  const kinds = await withPackagedKinds(
    known,
    spec.value.kinds,
    { workflow: path, root: options.root ?? '.', ...(options.onLook === undefined ? {} : { onLook: options.onLook }) },
    problems,
  );
  if (problems.length > 0) return err(sortDiagnostics(problems));
  const made = makePlan(spec.value, { params: params.value, set: options.set ?? [], kinds });
  if (!made.ok) return made;
  const missing = await missingFiles(made.value.files, options);
  if (missing.length > 0) return err(sortDiagnostics(missing));
  const warnings: Diagnostic[] = [...(made.value.plan.warnings ?? [])];
  await checkDescriptions(made.value.described, options.root ?? '.', problems, warnings);
  if (problems.length > 0) return err(sortDiagnostics(problems));
  const { plan, tooMany } = await withUserCode(made.value.plan, options.root ?? '.', options);
  if (tooMany.length === 0) {
    const warned = warnings.length === 0 ? {} : { warnings: sortDiagnostics(warnings) };
    return ok({ plan: { ...plan, ...warned }, originOf: made.value.originOf });
  }
  const at = { source: spec.value.source, offset: 0, length: 1 };
  return err(tooMany.map(({ id }) => tooManyImports(at, id, MOST_FILES)));
}

async function readParams(path: string, looking: Looking): Promise<Result<readonly Located[], readonly Diagnostic[]>> {
  const node = await readLocatedJson(path, looking);
  return node.ok ? ok([node.value]) : err(sortDiagnostics(node.error));
}

async function missingFiles(
  files: readonly FileUse[],
  { root = '.', onLook }: LoadOptions,
): Promise<readonly Diagnostic[]> {
  const usesOf = new Map<string, [FileUse, ...FileUse[]]>();
  for (const use of files) {
    const known = usesOf.get(use.path);
    if (known === undefined) usesOf.set(use.path, [use]);
    else known.push(use);
  }
  for (const path of usesOf.keys()) onLook?.(resolve(root, path), 'data');
  const problems = await Promise.all(
    [...usesOf].map(async ([path, [{ at, stage }, ...more]]) => {
      if (await exists(resolve(root, path))) return [];
      const others = new Set(more.map((use) => use.stage));
      others.delete(stage);
      return [fileMissing(at, path, stage, others.size)];
    }),
  );
  return problems.flat();
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
