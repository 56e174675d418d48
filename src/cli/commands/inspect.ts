// headgate inspect FILE | DIGEST | STAGE.PORT: what an artifact holds.
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { foldRun } from '../../report/run-report.ts';
import { layArtifact } from '../../store/laid-artifact.ts';
import { openStore, type Store } from '../../store/store.ts';
import { draftName } from '../../support/atomic-file.ts';
import { isDigest } from '../../support/digest.ts';
import { err, ok, type Result } from '../../support/result.ts';
import { describeArtifact, describeText } from '../describe-artifact.ts';
import type { Mistake } from '../../compose/mistake.ts';
import { findRun } from '../../compose/past-runs.ts';
import { printJson, refuse, type ExitCode, type Terminal } from '../terminal.ts';

const MIN_DIGEST_START = 6;

export async function inspect(
  terminal: Terminal,
  what: string,
  options: { readonly root?: string; readonly json?: boolean },
): Promise<ExitCode> {
  const store = openStore(options.root ?? '.');
  const found = await locate(store, what);
  if (!found.ok) return refuse(terminal, found.error.message, found.error.help);
  const description = await describeArtifact(found.value.path);
  if (found.value.passing) await rm(found.value.path, { recursive: true, force: true });
  if (options.json === true) printJson(terminal, { what, ...description });
  else terminal.stdout.write(describeText(description));
  return 0;
}

interface Located {
  readonly path: string;
  /** Whether it was made to be looked at, and goes afterwards. */
  readonly passing: boolean;
}

async function locate(store: Store, what: string): Promise<Result<Located, Mistake>> {
  const there = await stat(what).catch(() => undefined);
  if (there?.isFile() === true || there?.isDirectory() === true) return ok({ path: what, passing: false });
  if (there !== undefined)
    return err({ message: `"${what}" is a pipe, a socket or a device: there is nothing to show` });
  if (/^[0-9a-f]+$/.test(what) && what.length >= MIN_DIGEST_START) {
    const digests = await digestsStarting(store, what);
    const [digest] = digests;
    if (digests.length > 1)
      return err({ message: `${digests.length} objects begin with ${what}`, help: 'give more digits' });
    return digest === undefined ? err({ message: `no object ${what} in the store` }) : openObject(store, digest);
  }
  const found = await findRun(store.layout);
  if (!found.ok) return err({ message: `no file "${what}", and no run to look for such an output in` });
  const stages = foldRun(found.value.journal.events)?.stages ?? [];
  const dot = what.lastIndexOf('.');
  const stage =
    stages.find(({ id }) => id === what.slice(0, dot)) ?? stages.find(({ id }) => what.startsWith(`${id}.`));
  if (stage === undefined) {
    return err({
      message: `"${what}" is no file, digest or output`,
      help: 'outputs are named stage.port, for example export.onnx',
    });
  }
  const output = stage.outputs[what.slice(stage.id.length + 1)];
  if (output === undefined) {
    const ports = Object.keys(stage.outputs);
    return err({
      message: `${stage.id} has no output "${what.slice(stage.id.length + 1)}" in run ${found.value.run}`,
      help: ports.length > 0 ? `it has ${ports.join(', ')}` : `it is ${stage.state}`,
    });
  }
  return openObject(store, output.digest, output.tree === true);
}

async function openObject(store: Store, digest: string, tree?: boolean): Promise<Result<Located, Mistake>> {
  if (!isDigest(digest)) return err({ message: `${digest} is no digest` });
  const isTree = tree ?? (await store.objects.entriesOf(digest)) !== undefined;
  const integrity = await store.objects.verify({ digest, tree: isTree });
  if (integrity !== 'intact') {
    return err({ message: `object ${digest} is ${integrity}`, help: 'the next run makes it again' });
  }
  if (!isTree) return ok({ path: store.objects.pathOf(digest), passing: false });
  const path = join(store.layout.drafts, draftName('inspected'));
  const laid = await layArtifact(store.objects, { digest, tree: true, executable: false }, path, 'links');
  return laid === undefined ? err({ message: `object ${digest} is damaged` }) : ok({ path, passing: true });
}

async function digestsStarting({ layout }: Store, start: string): Promise<readonly string[]> {
  const names = await readdir(join(layout.objects, start.slice(0, 2))).catch(() => []);
  return names.filter((name) => name.startsWith(start));
}
