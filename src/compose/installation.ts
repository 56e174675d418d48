// Finds the worker beside the built program and what names its code in keys.
import { join } from 'node:path';
import type { EmbeddedBackend } from '../execute/ports.ts';
import { digestFile } from '../support/digest.ts';
import { isJsonObject } from '../support/json.ts';
import { readJsonIfPresent } from '../support/missing-files.ts';

export interface Installation {
  readonly version: string;
  readonly embedded: EmbeddedBackend;
}

export async function findInstallation(installFolder: string): Promise<Installation> {
  const worker = join(installFolder, 'worker.js');
  const build = await readJsonIfPresent(join(installFolder, 'build.json'));
  const text = (name: string): string => {
    const value = isJsonObject(build) ? build[name] : undefined;
    return typeof value === 'string' ? value : 'unknown';
  };
  // Over the file itself, not the number in build.json: what runs is what is keyed.
  const code = { worker: await digestFile(worker).catch(() => 'absent'), onnxruntime: text('onnxruntime') };
  return { version: text('headgate'), embedded: { argv: [process.execPath, worker], code } };
}
