// Remembers which lockfile was installed and which sources were built, by digest, so that neither is done twice.
// No third-party imports: this runs before anything is installed.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder, root } from './places.mjs';

const installStamp = join(cacheFolder, 'installed');
const buildStamp = join(cacheFolder, 'built');
const sourceFiles = [
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'scripts/build.mjs',
  'scripts/compile-schemas.mjs',
];
const sourceFolders = ['src', 'schemas'];

export const isInstalled = () => read(installStamp) === lockDigest() || adoptInstall();
export const markInstalled = () => write(installStamp, lockDigest());
export const isBuilt = () => existsSync(join(root, 'dist', 'headgate.js')) && read(buildStamp) === sourceDigest();
export const markBuilt = () => write(buildStamp, sourceDigest());

/** Packages that somebody installed by hand count when every one has the lockfile's version. */
function adoptInstall() {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const complete = Object.entries(packages).every(([path, { version, optional, devOptional }]) => {
    if (path === '') return true;
    const manifest = join(root, path, 'package.json');
    if (!existsSync(manifest)) return optional === true || devOptional === true;
    return JSON.parse(readFileSync(manifest, 'utf8')).version === version;
  });
  if (complete) markInstalled();
  return complete;
}

function lockDigest() {
  return `${digest([readFileSync(join(root, 'package-lock.json'))])} ${process.platform} ${process.arch}`;
}

function sourceDigest() {
  const files = [...sourceFiles, ...sourceFolders.flatMap((folder) => filesOf(folder))].sort();
  return digest(files.flatMap((file) => [Buffer.from(`${file}\0`), readFileSync(join(root, file)), Buffer.from('\0')]));
}

function filesOf(folder) {
  if (!existsSync(join(root, folder))) return [];
  const entries = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
}

function digest(parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

function read(path) {
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined;
}

function write(path, text) {
  mkdirSync(cacheFolder, { recursive: true });
  writeFileSync(path, `${text}\n`);
}
