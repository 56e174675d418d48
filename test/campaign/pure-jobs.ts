// Programs that are nothing but a function of their words and inputs, run without processes: for campaigns that need
// thousands of runs of the real engine. The function is here once, for the executor that plays the programs and for the oracles
// that say beforehand what must come out.
//   words: `label=…`, `key=…` and `also=…` go into every output, `values=n` how many different outputs there are, `note=…` is not looked at
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { JobRequest } from '../../src/events/job-protocol.ts';
import type { Executor } from '../../src/execute/ports.ts';

export type Content = string | { readonly [path: string]: string };
export interface Declared {
  readonly [port: string]: { readonly type: string; readonly path: string };
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** What a reader sees of an artifact: all its bytes, and nothing else. */
export function seen(content: Content): string {
  return typeof content === 'string' ? sha256(content) : sha256(JSON.stringify(Object.entries(content).sort()));
}

const TREE_FILES = 4;

/** @param inputs port or file → `seen`. */
export function produce(
  argv: readonly string[],
  declared: Declared,
  inputs: { readonly [port: string]: string },
): { readonly [port: string]: Content } {
  const words = argv.filter((word) => !word.startsWith('note='));
  const word = (name: string): string => words.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
  const read = Object.entries(inputs).sort(([left], [right]) => (left < right ? -1 : 1));
  const value = parseInt(sha256(JSON.stringify([words, read])).slice(0, 8), 16) % (Number(word('values')) || 1 << 30);
  // Instances of a fan-out share a label; no two stages may make one object, or it would be unclear who lost it.
  const label = `${word('label')}${word('key')}${word('also')}`;
  const contents = Object.entries(declared).map(([port, { type }]): [string, Content] => {
    const text = `${label} ${port} ${value}`;
    if (type === 'metrics') return [port, metricsText(label, value)];
    if (type !== 'dataset') return [port, text];
    const files = Array.from({ length: TREE_FILES }, (_, index) => [`part/${index}`, `${text} ${index}`]);
    return [port, Object.fromEntries(files) as { readonly [path: string]: string }];
  });
  return Object.fromEntries(contents);
}

export function metricsText(label: string, score: number): string {
  return JSON.stringify({
    format: 'headgate-metrics',
    version: 1,
    task: 't',
    primary: 'score',
    values: { score, [label]: 1 },
    units: {},
    higherIsBetter: { score: true },
  });
}

export interface PureJobs {
  readonly executor: Executor;
  /** Stages whose jobs ran, in order. */
  readonly ran: string[];
}

export function pureJobs(): PureJobs {
  const ran: string[] = [];
  return { ran, executor: { start, stderrTail: () => Promise.resolve(''), endOrphan: () => Promise.resolve() } };

  async function start({ jobFolder }: { readonly jobFolder: string }) {
    const request = JSON.parse(await readFile(join(jobFolder, 'job.json'), 'utf8')) as JobRequest;
    ran.push(request.stage);
    const settings = request.settings as { argv: readonly string[]; outputs: Declared };
    const inputs: { [port: string]: string } = {};
    for (const [port, { path }] of Object.entries(request.inputs)) inputs[port] = seen(await contentOf(path));
    for (const [port, content] of Object.entries(produce(settings.argv, settings.outputs, inputs)))
      await write(join(jobFolder, 'out', settings.outputs[port]?.path ?? port), content);
    return {
      identity: undefined,
      ended: Promise.resolve({ cause: 'exited', exitCode: 0, signal: null } as const),
      cancel: () => undefined,
      kill: () => undefined,
    };
  }
}

async function contentOf(path: string): Promise<Content> {
  if (!(await stat(path)).isDirectory()) return readFile(path, 'utf8');
  const entries = await readdir(path, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const contents = files.map(async (file) => [file.slice(path.length + 1), await readFile(file, 'utf8')] as const);
  return Object.fromEntries(await Promise.all(contents));
}

async function write(target: string, content: Content): Promise<void> {
  if (typeof content !== 'string') {
    for (const [path, text] of Object.entries(content)) await write(join(target, path), text);
    return;
  }
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, content);
}
