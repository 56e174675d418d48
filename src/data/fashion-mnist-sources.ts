// The ways to Fashion-MNIST's four files, in the order they are tried. Each gives a folder or says why not; none is
// trusted: fashion-mnist.ts verifies what is found.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { err, ok } from '../support/result.ts';
import type { Result } from '../support/result.ts';

export interface SourceOptions {
  /** A folder that the user names. */
  readonly folder?: string;
  /** Where fetched files are kept for the next time. */
  readonly cacheFolder: string;
  /** False: look only at folders of this machine. */
  readonly download: boolean;
}

export interface Source {
  readonly name: string;
  folder(): Promise<Result<string, string>>;
}

const systemFolder = '/usr/share/datasets/fashion-mnist';
const debianPackage = 'dataset-fashion-mnist';
const homes = [
  'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com',
  'https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion',
];
const commandTimeoutMs = 5 * 60_000;
const fetchTimeoutMs = 3 * 60_000;
/** The largest of the four is 26 MB. */
const mostFetchedBytes = 64 << 20;
const run = promisify(execFile);

export function fashionMnistSources(
  files: readonly string[],
  { folder, cacheFolder, download }: SourceOptions,
): readonly Source[] {
  const cache = join(cacheFolder, 'fashion-mnist');
  const local = [
    ...(folder === undefined ? [] : [existing('the given folder', folder)]),
    existing('the system folder', systemFolder),
    existing('the cache', cache),
  ];
  if (!download) return local;
  const fetched = homes.map((home) => ({
    name: home,
    folder: () => fillCache(cache, (draft) => fetchFiles(home, files, draft)),
  }));
  return [
    ...local,
    { name: `Debian's package ${debianPackage}`, folder: () => fillCache(cache, unpackDebian) },
    ...fetched,
  ];
}

function existing(name: string, path: string): Source {
  const folder = async (): Promise<Result<string, string>> => {
    const found = await stat(path).catch(() => undefined);
    return found?.isDirectory() === true ? ok(path) : err(`${path} is not a folder`);
  };
  return { name, folder };
}

/** Fills a draft beside the cache folder and puts it in place when it is complete. */
async function fillCache(cache: string, fill: (draft: string) => Promise<string>): Promise<Result<string, string>> {
  await mkdir(join(cache, '..'), { recursive: true });
  const draft = await mkdtemp(`${cache}.draft-`);
  try {
    const filled = await fill(draft);
    await rm(cache, { recursive: true, force: true });
    await rename(filled, cache);
    return ok(cache);
  } catch (cause) {
    return err(reasonOf(cause));
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Needs no root: the package is only downloaded and unpacked, with package lists of our own where the system has none. */
async function unpackDebian(draft: string): Promise<string> {
  const options = { cwd: draft, timeout: commandTimeoutMs };
  try {
    await run('apt-get', ['download', debianPackage], options);
  } catch (cause) {
    if (isMissingProgram(cause)) throw new Error('apt-get is not on this machine', { cause });
    const lists = await privateLists(draft);
    await run('apt-get', [...lists, 'update'], options);
    await run('apt-get', [...lists, 'download', debianPackage], options);
  }
  const archive = (await readdir(draft)).find((name) => name.startsWith(debianPackage) && name.endsWith('.deb'));
  if (archive === undefined) throw new Error('apt-get downloaded no package');
  const unpacked = join(draft, 'unpacked');
  await run('dpkg', ['-x', archive, unpacked], options);
  return join(unpacked, systemFolder);
}

async function privateLists(draft: string): Promise<readonly string[]> {
  const [state, cache] = [join(draft, 'state'), join(draft, 'cache')];
  await mkdir(join(state, 'lists', 'partial'), { recursive: true });
  await mkdir(join(cache, 'archives', 'partial'), { recursive: true });
  const user = process.getuid?.() === 0 ? ['-o', 'APT::Sandbox::User=root'] : [];
  return ['-o', `Dir::State::Lists=${join(state, 'lists')}`, '-o', `Dir::Cache=${cache}`, ...user];
}

async function fetchFiles(home: string, files: readonly string[], draft: string): Promise<string> {
  const folder = join(draft, 'files');
  await mkdir(folder);
  for (const name of files) {
    const response = await fetch(`${home}/${name}.gz`, { signal: AbortSignal.timeout(fetchTimeoutMs) });
    if (!response.ok) throw new Error(`${name}.gz: HTTP status ${response.status}`);
    if (Number(response.headers.get('content-length') ?? 0) > mostFetchedBytes)
      throw new Error(`${name}.gz is too large`);
    await writeFile(join(folder, `${name}.gz`), new Uint8Array(await response.arrayBuffer()));
  }
  return folder;
}

function isMissingProgram(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
}

/** One line: what the program said last, or the error's own words down to its cause. */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const stderr =
    'stderr' in cause && typeof cause.stderr === 'string' ? cause.stderr.trim().split('\n').at(-1) : undefined;
  if (stderr !== undefined && stderr !== '') return stderr;
  const inner = cause.cause instanceof Error && cause.cause.message !== '' ? ` (${cause.cause.message})` : '';
  return `${cause.message}${inner}`;
}
