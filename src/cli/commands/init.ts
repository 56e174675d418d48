// headgate init [FOLDER]: a small workflow that runs, to begin from. Overwrites nothing.
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { errorCode } from '../../support/missing-files.ts';
import { firstWorkflow } from '../first-workflow.ts';
import { printJson, refuse, type ExitCode, type Terminal } from '../terminal.ts';

export async function init(
  terminal: Terminal,
  folder: string | undefined,
  options: { readonly json?: boolean },
): Promise<ExitCode> {
  const home = resolve(folder ?? '.');
  const path = join(home, 'workflow.json');
  const schema = await schemaFrom(terminal.installFolder, home);
  const shown = relative('.', path);
  try {
    await mkdir(home, { recursive: true });
    await writeFile(path, firstWorkflow(schema), { flag: 'wx' });
  } catch (error) {
    if (errorCode(error) !== 'EEXIST' && errorCode(error) !== 'ENOTDIR') throw error;
    return refuse(
      terminal,
      `${shown} is there already, or ${home} is no folder`,
      'name another folder: headgate init FOLDER',
    );
  }
  if (options.json === true) printJson(terminal, { path: shown });
  else {
    const inside = folder === undefined ? '' : `cd ${folder}\n  `;
    terminal.stdout.write(`wrote ${shown}\n\n  ${inside}headgate plan workflow.json\n  headgate run workflow.json\n`);
  }
  return 0;
}

/** The installed schema as editors read it: relative inside one project, else a file URL. */
async function schemaFrom(installFolder: string, home: string): Promise<string | undefined> {
  const path = join(installFolder, '..', 'schemas', 'workflow.schema.json');
  if ((await stat(path).catch(() => undefined)) === undefined) return undefined;
  const way = relative(home, path);
  return way.startsWith('..') ? pathToFileURL(path).href : way;
}
