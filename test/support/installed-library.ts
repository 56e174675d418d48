// A project folder in which `import … from 'headgate'` and `'headgate/qat'` find the library as a user's project would: built,
// with its types.
import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { dist } from './built-program.ts';

const repository = join(import.meta.dirname, '../..');

export async function installLibrary(project: string): Promise<void> {
  const folder = join(project, 'node_modules/headgate');
  await mkdir(join(folder, 'dist'), { recursive: true });
  for (const name of ['library.js', 'qat.js'])
    await writeFile(join(folder, 'dist', name), `export * from ${JSON.stringify(join(dist, name))};\n`);
  const { default: manifest } = (await import('../../package.json', { with: { type: 'json' } })) as {
    default: { readonly exports: unknown };
  };
  const { exports } = manifest;
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'headgate', type: 'module', exports }));
}

/** Also its types, as they were built, and those of Node. */
export async function installTypes(project: string): Promise<void> {
  await cp(join(dist, 'types'), join(project, 'node_modules/headgate/dist/types'), { recursive: true });
  const types = join(project, 'node_modules/@types/node');
  await mkdir(dirname(types), { recursive: true });
  await symlink(join(repository, 'node_modules/@types/node'), types);
  await symlink(join(repository, 'node_modules/undici-types'), join(project, 'node_modules/undici-types'));
}
