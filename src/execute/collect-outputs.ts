// Takes what a job left in out/ into the store: every declared port, nothing from outside out/ (links included), and
// metrics only when they are numbers.
import { lstat, readFile, realpath, stat } from 'node:fs/promises';
import { basename, isAbsolute, join, relative, sep } from 'node:path';
import type { StageFailure } from '../events/failures.ts';
import type { MetricsFact, OutputRecord } from '../events/run-events.ts';
import type { PlannedStage } from '../plan/plan.ts';
import type { Store } from '../store/store.ts';
import { listFiles } from '../store/tree-manifest.ts';
import type { Redactor } from '../support/redaction.ts';
import { err, ok, type Result } from '../support/result.ts';
import { secretBelow } from './keep-secrets.ts';
import { parseMetrics } from './metrics-document.ts';

export interface CollectedOutputs {
  readonly outputs: { readonly [port: string]: OutputRecord };
  readonly metrics: readonly MetricsFact[];
}

export async function collectOutputs(
  store: Store,
  stage: PlannedStage,
  outFolder: string,
  paths: { readonly [port: string]: string },
  redactor: Redactor,
): Promise<Result<CollectedOutputs, StageFailure>> {
  const outputs: { [port: string]: OutputRecord } = {};
  const metrics: MetricsFact[] = [];
  for (const { name: port, type } of stage.outputs) {
    const path = paths[port];
    if (path === undefined) return err({ reason: 'output-missing', port, path: '(the result names none)' });
    const found = await findOutput(outFolder, port, path);
    if (!found.ok) return found;
    const secret = await secretBelow(found.value.path, redactor);
    if (secret !== undefined) return err({ reason: 'secret-in-output', port, path, secret });
    if (type.artifact === 'metrics') {
      if (found.value.isFolder) return err({ reason: 'metrics-malformed', port, problem: 'it is a folder' });
      const parsed = parseMetrics(port, await readFile(found.value.path, 'utf8'));
      if (!parsed.ok) return parsed;
      metrics.push(parsed.value.fact);
    }
    const { digest, bytes, tree } = found.value.isFolder
      ? await store.objects.putTree(found.value.path)
      : await store.objects.putFile(found.value.path);
    outputs[port] = { digest, type: type.artifact, bytes, name: basename(path), ...(tree ? { tree: true } : {}) };
  }
  return ok({ outputs, metrics });
}

async function findOutput(
  outFolder: string,
  port: string,
  path: string,
): Promise<Result<{ readonly path: string; readonly isFolder: boolean }, StageFailure>> {
  const escapes: Result<never, StageFailure> = err({ reason: 'output-escapes', port, path });
  const home = await realpath(outFolder);
  const written = join(home, path);
  if (isAbsolute(path) || !isInside(home, written)) return escapes;
  const real = await realpath(written).catch(() => undefined);
  // A link to nothing is there and yet gives no bytes; where it points to is told apart only by what it is called.
  if (real === undefined) {
    const link = await lstat(written).catch(() => undefined);
    return link?.isSymbolicLink() === true ? escapes : err({ reason: 'output-missing', port, path });
  }
  if (!isInside(home, real)) return escapes;
  const isFolder = (await stat(real)).isDirectory();
  if (isFolder) {
    for (const file of await listFiles(real)) {
      const target = await realpath(join(real, file)).catch(() => undefined);
      // A linked folder would smuggle in files that the list above has not seen.
      const sound = target !== undefined && isInside(home, target) && (await stat(target)).isFile();
      if (!sound) return err({ reason: 'output-escapes', port, path: `${path}/${file}` });
    }
  }
  return ok({ path: real, isFolder });
}

function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
