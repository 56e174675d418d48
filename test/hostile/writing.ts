// Short words for the files of the hostile cases.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export type Put = (root: string) => void;

export function put(name: string, content: string | Uint8Array | object): Put {
  return (root) => {
    const path = join(root, name);
    mkdirSync(dirname(path), { recursive: true });
    const text = typeof content === 'string' || content instanceof Uint8Array ? content : JSON.stringify(content);
    writeFileSync(path, text);
  };
}

export function all(...steps: readonly Put[]): Put {
  return (root) => steps.forEach((step) => step(root));
}

export function fifo(name: string): Put {
  return (root) => void execFileSync('mkfifo', [join(root, name)]);
}

export const file = { out: { type: 'file', path: 'result.txt' } };

/** A command stage that runs a line of shell; `$OUT` is where its output goes. */
export function shell(line: string, more: object = {}, outputs: object = file): object {
  return { kind: 'command', ...more, with: { argv: ['sh', '-c', `OUT="$0"; ${line}`, '{output:out}'], outputs } };
}

export function stages(all: object, more: object = {}): object {
  return { name: 'demo', ...more, stages: all };
}

/** Every file below a folder of the store. */
export function below(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));
}
