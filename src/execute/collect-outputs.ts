// Takes what a job left in out/ into the store: every declared port, nothing from outside out/ (links included), and
// metrics only when they are numbers. A folder is taken as its maker left it: its links, its empty folders, its programs.
import { lstat, readFile, realpath, stat } from 'node:fs/promises';
import { basename, isAbsolute, join, relative, sep } from 'node:path';
import type { StageFailure } from '../events/failures.ts';
import type { MetricsFact, OutputRecord } from '../events/run-events.ts';
import type { PlannedStage } from '../plan/plan.ts';
import { listTree, type Listed } from '../store/list-tree.ts';
import type { StoredObject } from '../store/objects.ts';
import type { Store } from '../store/store.ts';
import { NO_FILE } from '../support/folder-entries.ts';
import type { Redactor } from '../support/redaction.ts';
import { err, ok, type Result } from '../support/result.ts';
import { secretBelow } from './keep-secrets.ts';
import { parseMetrics } from './metrics-document.ts';

/** Numbers of a measurement, bootstrap replicates included. */
const MOST_METRICS_BYTES = 64 << 20;

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
  const found: { readonly port: string; readonly artifact: OutputRecord['type']; readonly output: Found }[] = [];
  const metrics: MetricsFact[] = [];
  for (const { name: port, type } of stage.outputs) {
    const path = paths[port];
    if (path === undefined) return err({ reason: 'output-missing', port, path: '(the result names none)' });
    const output = await findOutput(outFolder, port, path);
    if (!output.ok) return output;
    const secret = await secretBelow(output.value.path, path, redactor);
    if (secret !== undefined) return err({ reason: 'secret-in-output', port, path, secret });
    if (type.artifact === 'metrics') {
      if (output.value.listed !== undefined)
        return err({ reason: 'metrics-malformed', port, problem: 'it is a folder' });
      const { size } = await stat(output.value.path);
      if (size > MOST_METRICS_BYTES) {
        const problem = `it has ${size} bytes; at most ${MOST_METRICS_BYTES} are read`;
        return err({ reason: 'metrics-malformed', port, problem });
      }
      const parsed = parseMetrics(port, await readFile(output.value.path, 'utf8'));
      if (!parsed.ok) return parsed;
      metrics.push(parsed.value.fact);
    }
    found.push({ port, artifact: type.artifact, output: output.value });
  }
  const shared = areShared(found.map(({ output }) => output.path));
  const outputs: { [port: string]: OutputRecord } = {};
  for (const { port, artifact, output } of found) {
    const { digest, bytes, tree, executable } = await put(store, output, shared);
    outputs[port] = {
      digest,
      type: artifact,
      bytes,
      name: basename(paths[port] ?? ''),
      ...(tree ? { tree: true } : {}),
      ...(executable === undefined ? {} : { executable }),
    };
  }
  return ok({ outputs, metrics });
}

interface Found {
  readonly path: string;
  /** What lies in it, for a folder. */
  readonly listed?: readonly Listed[];
}

/** Moved into the store, for the job folder's copy is deleted anyway; unless two ports name the same bytes. */
function put({ objects }: Store, { path, listed }: Found, shared: boolean): Promise<StoredObject> {
  if (listed === undefined) return shared ? objects.putFile(path) : objects.takeFile(path);
  return shared ? objects.putTree(path, listed) : objects.takeTree(path, listed);
}

/** Whether one of these is another, or lies in it. */
function areShared(paths: readonly string[]): boolean {
  return paths.some((path, index) =>
    paths.some((other, place) => place !== index && (other === path || other.startsWith(`${path}${sep}`))),
  );
}

async function findOutput(outFolder: string, port: string, path: string): Promise<Result<Found, StageFailure>> {
  const escapes: Result<never, StageFailure> = err({ reason: 'output-escapes', port, path });
  const folder = await lstat(outFolder).catch(() => undefined);
  if (folder === undefined) return err({ reason: 'output-missing', port, path });
  if (!folder.isDirectory()) return escapes;
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
  const info = await stat(real);
  if (info.isFile()) return ok({ path: real });
  if (!info.isDirectory()) return err({ reason: 'output-unusable', port, path, problem: NO_FILE });
  const listed = await listTree(real);
  if (listed.ok) return ok({ path: real, listed: listed.value });
  const { path: inner, problem, leaves } = listed.error;
  const reason = leaves ? 'output-escapes' : 'output-unusable';
  return err({ reason, port, path: `${path}/${inner}`, problem });
}

function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
